;; Functions that users write, from Babashka: a predicate and a score in queries, a transfer as a
;; transaction function. They are kept in the database, as text in rhai, and seen by everybody who opens it.
;;
;;   bb functions.clj

(require '[babashka.pods :as pods])
(pods/load-pod (or (System/getenv "DATALITH_POD") "datalith"))
(require '[datahike.pod :as d])

(def config {:store {:backend :memory :id (random-uuid)}})
(d/create-database config)
(def conn (d/connect config))

(d/transact conn
  [{:db/ident :account/owner :db/valueType :db.type/string :db/cardinality :db.cardinality/one
    :db/unique :db.unique/identity}
   {:db/ident :account/balance :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
   {:db/ident :bank/rich?
    :db/fn "|balance| balance >= 100"}
   {:db/ident :bank/interest
    :db/fn "|balance, rate| balance * rate / 100.0"}
   {:db/ident :bank/transfer
    :db/doc "Moves an amount from one owner to another, if it is there."
    :db/fn "|db, from, to, amount| {
              let balance = |owner| db.q(`[:find ?b . :in $ ?o
                                           :where [?a :account/owner ?o] [?a :account/balance ?b]]`, owner);
              if balance.call(from) < amount { throw `${from} has less than ${amount}`; }
              [[\":db/add\", [\":account/owner\", from], \":account/balance\", balance.call(from) - amount],
               [\":db/add\", [\":account/owner\", to], \":account/balance\", balance.call(to) + amount]]
            }"}])

(d/transact conn [{:account/owner "Ada" :account/balance 120} {:account/owner "Bob" :account/balance 30}])
(d/transact conn [[:bank/transfer "Ada" "Bob" 50]])

(println "balances:"
  (sort (d/q '[:find ?o ?b :where [?a :account/owner ?o] [?a :account/balance ?b]] (d/db conn))))
(println "rich:"
  (d/q '[:find [?o ...] :where [?a :account/owner ?o] [?a :account/balance ?b] [(bank/rich? ?b)]] (d/db conn)))
(println "interest:"
  (sort (d/q '[:find ?o ?i :where [?a :account/owner ?o] [?a :account/balance ?b] [(bank/interest ?b 3) ?i]]
          (d/db conn))))

(try
  (d/transact conn [[:bank/transfer "Bob" "Ada" 500]])
  (catch Exception e
    (println "refused:" (ex-message e) (select-keys (ex-data e) [:error :function :line :column]))))
