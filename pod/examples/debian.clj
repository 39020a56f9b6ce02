#!/usr/bin/env bb
;; Debian's own package index: who needs whom? Reads what `apt update` left on this machine.
;; Usage: debian.clj [PACKAGE] [MOST-PACKAGES], for example git. `datalith` must be on the PATH.

(require '[babashka.pods :as pods]
         '[clojure.java.io :as io]
         '[clojure.java.shell :refer [sh]]
         '[clojure.string :as str])

(def package (or (first *command-line-args*) "git"))
(def most (if-let [most (second *command-line-args*)] (parse-long most) Long/MAX_VALUE))

(defn index-files []
  (filter #(re-find #"_main_binary-[^_]*_Packages" (.getName %))
          (or (.listFiles (io/file "/var/lib/apt/lists")) [])))

(defn stanzas
  "The packages of an index file, as maps by the name of each field; continued lines are left out."
  [file]
  (let [{:keys [exit out err]} (sh "/usr/lib/apt/apt-helper" "cat-file" (str file))
        fields (fn [stanza]
                 (into {} (for [line (str/split-lines stanza)
                                :let [[_ field value] (re-matches #"(\S[^:]*):\s*(.*)" line)]
                                :when field]
                            [field value])))]
    (when-not (zero? exit) (throw (ex-info (str "apt-helper: " err) {:file (str file)})))
    (map fields (remove str/blank? (str/split out #"\n\n+")))))

(defn needs
  "The names a package depends on, the first of each choice that is known."
  [known {:strs [Depends Pre-Depends]}]
  (distinct
   (for [part (str/split (str Pre-Depends "," Depends) #",")
         :let [names (map #(re-find #"[^\s(:\[<]+" %) (str/split part #"\|"))
               named (first (filter known names))]
         :when named]
     named)))

(def attributes
  (for [[ident type & {:as more}]
        [[:package/name :db.type/string :db/unique :db.unique/identity]
         [:package/version :db.type/string]
         [:package/section :db.type/string :db/index true]
         [:package/installed-kb :db.type/long]
         [:package/description :db.type/string]
         [:package/needs :db.type/ref :db/cardinality :db.cardinality/many]]]
    (merge {:db/ident ident :db/valueType type :db/cardinality :db.cardinality/one} more)))

(def rules
  '[[(brings ?a ?b) [?a :package/needs ?b]]
    [(brings ?a ?b) [?a :package/needs ?via] (brings ?via ?b)]])

(defn run [d-transact d-q conn db packages]
  (let [by-name (into {} (map (juxt #(get % "Package") identity)) (reverse packages))
        wanted (take most (sort (keys by-name)))
        known (set wanted)
        started (System/nanoTime)
        load-all (fn [forms] (reduce + (map #(count (:tx-data (d-transact conn (vec %)))) (partition-all 5000 forms))))
        datoms (+ (load-all attributes)
                  (load-all (for [name wanted
                                  :let [{:strs [Version Section Installed-Size Description]} (by-name name)]]
                              {:package/name name
                               :package/version (str Version)
                               :package/section (str Section)
                               :package/installed-kb (or (some-> Installed-Size parse-long) 0)
                               :package/description (str Description)}))
                  (load-all (for [name wanted
                                  :let [needed (needs known (by-name name))]
                                  :when (seq needed)]
                              {:package/name name
                               :package/needs (vec (for [other needed] [:package/name other]))})))
        seconds (/ (- (System/nanoTime) started) 1e9)]
    (println (format "%d packages, %d datoms, loaded in %.1f s" (count wanted) datoms seconds))
    (let [db (db conn)]
      (println "\nNeeded most:")
      (doseq [[name count] (d-q '[:find ?name (count ?a)
                                  :where [?a :package/needs ?b] [?b :package/name ?name]
                                  :order-by 1 :desc ?name :limit 5] db)]
        (println (format "  %-24s %6d" name count)))
      (println "\nLargest sections, in MB:")
      (doseq [[section kb] (d-q '[:find ?section (sum ?kb) :with ?p
                                  :where [?p :package/section ?section] [?p :package/installed-kb ?kb]
                                  :order-by 1 :desc ?section :limit 5] db)]
        (println (format "  %-24s %6d" section (quot kb 1024))))
      (println (format "\n%s brings, at last:" package))
      (let [[names kb] (d-q '[:find [(count ?b) (sum ?kb)] :in $ % ?name
                              :where [?a :package/name ?name] (brings ?a ?b) [?b :package/installed-kb ?kb]]
                            db rules package)]
        (println (if names (format "  %d packages, %d MB" names (quot kb 1024)) "  nothing that is known here"))))))

(let [files (index-files)]
  (if (empty? files)
    (println "There is no package index here; run `apt-get update` first.")
    (do
      (pods/load-pod "datalith")
      (require '[pod.datalith :as d])
      (let [[create connect transact q db release delete]
            (map #(deref (ns-resolve 'pod.datalith %))
                 '[create-database connect transact q db release delete-database])
            config {:store {:backend :memory :id (java.util.UUID/randomUUID)}}]
        (create config)
        (let [conn (connect config)]
          (run transact q conn db (mapcat stanzas files))
          (release conn)
          (delete config))))))
