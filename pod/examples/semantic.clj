#!/usr/bin/env bb
;; Search Debian's package descriptions by what they mean, beside rules over who needs whom, now and as of
;; last week's branch.
;;
;; Usage: semantic.clj MODEL-DIRECTORY [TEXT] [MOST-PACKAGES]
;;
;; The model is a sentence-transformers directory, such as all-MiniLM-L6-v2; `datalith`, built with
;; `--features embed`, must be on the PATH.

(require '[babashka.pods :as pods]
         '[clojure.java.io :as io]
         '[clojure.java.shell :refer [sh]]
         '[clojure.string :as str])

(def model (first *command-line-args*))
(def text (or (second *command-line-args*) "photo editor with layers"))
(def most (if-let [most (nth *command-line-args* 2 nil)] (parse-long most) 5000))

(defn index-files []
  (filter #(re-find #"_main_binary-[^_]*_Packages" (.getName %))
          (or (.listFiles (io/file "/var/lib/apt/lists")) [])))

(defn stanzas [file]
  (let [{:keys [exit out err]} (sh "/usr/lib/apt/apt-helper" "cat-file" (str file))
        fields (fn [stanza]
                 (into {} (for [line (str/split-lines stanza)
                                :let [[_ field value] (re-matches #"(\S[^:]*):\s*(.*)" line)]
                                :when field]
                            [field value])))]
    (when-not (zero? exit) (throw (ex-info (str "apt-helper: " err) {:file (str file)})))
    (map fields (remove str/blank? (str/split out #"\n\n+")))))

(defn needs [known {:strs [Depends Pre-Depends]}]
  (distinct
   (for [part (str/split (str Pre-Depends "," Depends) #",")
         :let [names (map #(re-find #"[^\s(:\[<]+" %) (str/split part #"\|"))
               named (first (filter known names))]
         :when named]
     named)))

(defn schema [dim]
  (concat
   (for [[ident type & {:as more}]
         [[:package/name :db.type/string :db/unique :db.unique/identity]
          [:package/installed-kb :db.type/long]
          [:package/description :db.type/string]
          [:package/needs :db.type/ref :db/cardinality :db.cardinality/many]
          [:package/meaning :db.type/float-array
           :db.embed/from :package/description, :db.embed/model (str "dir:" model)]]]
     (merge {:db/ident ident :db/valueType type :db/cardinality :db.cardinality/one} more))
   [{:db/ident :idx/meaning
     :db.secondary/type :hnsw
     :db.secondary/attrs [:package/meaning]
     :db.secondary/config {:dim dim :distance :cosine}}]))

(defn facts [known packages]
  (for [{:strs [Package Installed-Size Description] :as fields} packages]
    (merge {:package/name Package
            :package/installed-kb (or (some-> Installed-Size parse-long) 0)
            :package/description (str Package ": " Description)}
           (when-let [needed (seq (needs known fields))]
             {:package/needs (vec (for [other needed] {:package/name other}))}))))

(def rules
  '[[(brings ?a ?b) [?a :package/needs ?b]]
    [(brings ?a ?b) [?a :package/needs ?via] (brings ?via ?b)]])

(defmacro timed [what & body]
  `(let [started# (System/nanoTime)
         result# (do ~@body)]
     (println (format "%s in %.1f s" (format ~what result#) (/ (- (System/nanoTime) started#) 1e9)))
     result#))

(defn show [rows]
  (doseq [[name kb distance] (sort-by last rows)]
    (println (format "  %.3f  %-32s %8d kB" distance name kb))))

(defn run [{:syms [transact q db embed build-indexes branch! branch-as-db]} conn packages]
  (let [by-name (into (sorted-map) (map (juxt #(get % "Package") identity)) packages)
        step (max 1 (quot (count by-name) most))
        wanted (vals (into (select-keys by-name ["gimp" "libc6"]) (take-nth step by-name)))
        known (set (map #(get % "Package") wanted))
        [older newer] (map #(take-nth 2 %) [wanted (rest wanted)])
        load-all (fn [packages]
                   (doseq [part (partition-all 1000 (facts known packages))] (transact conn (vec part))))
        [_ dim] (re-find #"\"hidden_size\":\s*(\d+)" (slurp (io/file model "config.json")))
        near '[:find ?name ?kb ?distance :in $ ?text
               :where [(semantic $ :package/description ?text 5) [[?e ?distance]]]
                      [?e :package/name ?name] [?e :package/installed-kb ?kb]]]
    (transact conn (vec (schema (parse-long dim))))
    (load-all older)
    (timed "%d descriptions read by the model" (embed conn))
    (branch! conn :db :last-week)
    (load-all newer)
    (timed "%d more" (embed conn))
    (timed "%d graphs built" (build-indexes conn))
    (println (format "\nNearest to \"%s\":" text))
    (show (q near (db conn) text))
    (println "\nOf those that bring libc6, the nearest below a megabyte:")
    (show (q '[:find ?name ?kb ?distance :in $ % ?text
               :where [(semantic $ :package/description ?text 5) [[?e ?distance]]]
                      [?e :package/installed-kb ?kb] [(< ?kb 1024)]
                      [?libc :package/name "libc6"] (brings ?e ?libc)
                      [?e :package/name ?name]]
             (db conn) rules text))
    (println "\nAs of last week's branch:")
    (show (q near (branch-as-db conn :last-week) text))))

(let [files (index-files)]
  (cond
    (not (and model (.exists (io/file model "model.safetensors"))))
    (println "Usage: semantic.clj MODEL-DIRECTORY [TEXT] [MOST-PACKAGES]")
    (empty? files)
    (println "There is no package index here; run `apt-get update` first.")
    :else
    (do
      (pods/load-pod "datalith")
      (require '[pod.datalith :as d])
      (let [api (into {} (for [name '[create-database connect transact q db release delete-database embed
                                      build-indexes branch! branch-as-db]]
                           [name @(ns-resolve 'pod.datalith name)]))
            folder (str (System/getProperty "java.io.tmpdir") "/semantic-" (java.util.UUID/randomUUID))
            config {:store {:backend :file :path folder :id (java.util.UUID/randomUUID)}}]
        ((api 'create-database) config)
        (let [conn ((api 'connect) config)]
          (run api conn (mapcat stanzas files))
          ((api 'release) conn)
          ((api 'delete-database) config))))))
