#!/usr/bin/env bb
;; The air routes of the world: which airport is how many flights away?
;; Usage: air_routes.clj [FROM] [TO], for example LYR and GRU. `datalith` must be on the PATH.

(require '[babashka.pods :as pods]
         '[clojure.java.io :as io]
         '[clojure.string :as str])
(pods/load-pod "datalith")
(require '[pod.datalith :as d])

(def here (.getParentFile (io/file *file*)))
(def config {:store {:backend :memory :id (java.util.UUID/randomUUID)}})

(defn rows
  "The rows of a CSV file beside the pod, as maps by header."
  [table]
  (let [cell #"(?:^|,)(?:\"((?:[^\"]|\"\")*)\"|([^,\"]*))"
        cells (fn [line] (map (fn [[_ quoted plain]] (or quoted plain)) (re-seq cell line)))
        [header & lines] (str/split-lines (slurp (io/file here ".." "data" "air-routes" (str table ".csv"))))]
    (map (fn [line] (zipmap (cells header) (cells line))) lines)))

(defn attribute [ident type & {:as more}]
  (merge {:db/ident ident :db/valueType type :db/cardinality :db.cardinality/one} more))

(d/create-database config)
(def conn (d/connect config))
(d/transact conn [(attribute :country/code :db.type/string :db/unique :db.unique/identity)
                  (attribute :country/name :db.type/string)
                  (attribute :airport/code :db.type/string :db/unique :db.unique/identity)
                  (attribute :airport/city :db.type/string)
                  (attribute :airport/country :db.type/ref)
                  (attribute :route/from :db.type/ref)
                  (attribute :route/to :db.type/ref)
                  (attribute :route/miles :db.type/long)])

(defn load-rows [table row->map]
  (let [maps (mapv row->map (rows table))
        datoms (reduce + (map #(count (:tx-data (d/transact conn (vec %)))) (partition-all 5000 maps)))]
    (println (format "%-10s %6d rows %7d datoms" table (count maps) datoms))))

(load-rows "countries" (fn [{:strs [code name]}] {:country/code code :country/name name}))
(load-rows "airports" (fn [{:strs [code city country]}]
                        {:airport/code code :airport/city city :airport/country [:country/code country]}))
(load-rows "routes" (fn [{:strs [from to miles]}]
                      {:route/from [:airport/code from] :route/to [:airport/code to]
                       :route/miles (parse-long miles)}))

(def rules
  '[[(flight ?a ?b) [?r :route/from ?a] [?r :route/to ?b]]
    [(within [?a ?hops] ?b) [(>= ?hops 1)] (flight ?a ?b)]
    [(within [?a ?hops] ?b) [(> ?hops 1)] [(dec ?hops) ?fewer] (within ?a ?fewer ?via) (flight ?via ?b)]])

(let [[from to] (concat *command-line-args* (drop (count *command-line-args*) ["LYR" "GRU"]))]
  (d/with-db [db (d/db conn)]
    (println "\nThe busiest countries, by flights that leave them:")
    (doseq [[country flights] (d/q '[:find ?name (count ?r)
                                     :where [?r :route/from ?a] [?a :airport/country ?c] [?c :country/name ?name]
                                     :order-by 1 :desc :limit 5]
                                   db)]
      (println (format "  %-16s %5d" country flights)))
    (println (format "\nFrom %s to %s:" from to))
    (let [hops (first (filter (fn [hops]
                                (seq (d/q '[:find ?b :in $ % ?from ?to ?hops
                                            :where [?a :airport/code ?from] [?b :airport/code ?to]
                                                   (within ?a ?hops ?b)]
                                          db rules from to hops)))
                              (range 1 9)))]
      (println (if hops (format "  %d flights" hops) "  no way within 8 flights"))
      (when (= 2 hops)
        (println "  over" (d/q '[:find [?code ...] :in $ % ?from ?to
                                 :where [?a :airport/code ?from] (flight ?a ?via)
                                        [?b :airport/code ?to] (flight ?via ?b)
                                        [?via :airport/code ?code]]
                               db rules from to))))
    (println "\nAs a map:")
    (prn (d/pull db '[:airport/city {:airport/country [:country/name]} {(:route/_from :limit 2) [:route/miles {:route/to [:airport/code]}]}]
                 [:airport/code from]))))

(d/release conn)
(d/delete-database config)
