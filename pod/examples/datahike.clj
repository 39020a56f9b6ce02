#!/usr/bin/env bb
;; The steps of Datahike's documented pod example. Only the name of the pod is ours:
;; `datalith` on the PATH instead of `dthk`.

(require '[babashka.pods :as pods])
(pods/load-pod "datalith")

(require '[datahike.pod :as d :refer [with-db db q]])

(def config {:store {:backend :file
                     :path (str (System/getProperty "java.io.tmpdir") "/datalith-example-"
                                (System/nanoTime))}
             :keep-history? true
             :schema-flexibility :read})

;; Start from nothing, whatever was there before.
(d/delete-database config)
(d/create-database config)
(def conn (d/connect config))

;; No schema was declared, so any attribute takes any value.
(d/transact conn [{:name "Alice" :age 20}
                  {:name "Bob" :age 30}
                  {:name "Charlie" :age 40}
                  {:age 15}])

;; A handle of a database value stays as it is while the database moves on.
(def snapshot (d/db conn))
(println "Everyone with a name and an age:")
(prn (d/q '[:find ?e ?n ?a
            :where [?e :name ?n] [?e :age ?a]]
          snapshot))
(d/release-db snapshot)

(println "One entity:")
(prn (d/pull (d/db conn) '[*] 3))

;; with-db gives the handle back by itself.
(println "Everything:")
(with-db [now (db conn)]
  (prn (q {:query {:find '[?e ?a ?v]
                   :where '[[?e ?a ?v]]}}
          now)))

;; The same with the arguments in the map, a correction, and the time before it.
(def before (d/db conn))
(d/transact conn {:tx-data [{:db/id 3 :age 25}]})
(def ages '{:find [?n ?a] :where [[?e :name ?n] [?e :age ?a]]})
(println "Ages before and after the correction of one:")
(prn (d/q {:query ages :args [before]}))
(prn (d/q {:query ages :args [(d/db conn)]}))
(println "The history of that age:")
(prn (d/q '[:find ?a ?tx ?added :where [3 :age ?a ?tx ?added]] (d/history (d/db conn))))

(d/release conn)
(d/delete-database config)
