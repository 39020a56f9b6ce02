(defn q
  "Answers a Datalog query: a vector, a map, a string, a prepared query, or {:query … :args …
  :limit … :offset … :order-by …}. Handles of databases among the inputs stand for the databases."
  [query & inputs]
  (nth (babashka.pods/invoke "pod.datalith" 'pod.datalith/q-boxed (cons query inputs)) 0))
