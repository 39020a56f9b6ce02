(defmacro with-db
  "Evaluates body with names bound to handles of database values, and gives them back at the end."
  [bindings & body]
  (cond
    (empty? bindings) `(do ~@body)
    (symbol? (first bindings))
    `(let [~(first bindings) ~(second bindings)]
       (try
         (with-db ~(vec (nnext bindings)) ~@body)
         (finally (release-db ~(first bindings)))))
    :else (throw (IllegalArgumentException. "with-db only allows Symbols in bindings"))))
