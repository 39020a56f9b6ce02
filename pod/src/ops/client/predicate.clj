(defn NAME
  DOC
  {:arglists 'ARGLISTS}
  [& args]
  (boolean (babashka.pods/invoke "pod.datalith" 'pod.datalith/NAME args)))
