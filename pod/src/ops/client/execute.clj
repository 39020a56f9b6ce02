(defn execute
  "Answers a prepared query; handles of databases among its inputs are databases."
  [prepared & inputs]
  (nth (babashka.pods/invoke "pod.datalith" 'pod.datalith/execute-boxed (cons prepared inputs)) 0))
