;; Reads one base64 text a line from stdin; writes for each its forms in the canonical form of
;; the crate's edn_corpus, or ERR with the reason.
(require '[clojure.edn :as edn] '[clojure.string :as str])

(defn canonical [v]
  (cond
    (instance? Double v) (format "D%016x" (Double/doubleToLongBits v))
    (char? v) (str "C" (int v))
    (inst? v) (str "I" (inst-ms v))
    (tagged-literal? v) (str "#" (:tag v) " " (canonical (:form v)))
    (map? v) (str "{" (str/join " " (sort (map (fn [[k v]] (str (canonical k) " " (canonical v))) v))) "}")
    (set? v) (str "#{" (str/join " " (sort (map canonical v))) "}")
    (vector? v) (str "[" (str/join " " (map canonical v)) "]")
    (seq? v) (str "(" (str/join " " (map canonical v)) ")")
    :else (pr-str v)))

(defn answer [text]
  (try
    (let [in (java.io.PushbackReader. (java.io.StringReader. text) 4)
          options {:eof ::end :default tagged-literal}]
      (loop [forms []]
        (let [form (edn/read options in)]
          (if (= ::end form)
            (str/join " " forms)
            (recur (conj forms (canonical form)))))))
    (catch Throwable e (str "ERR " (.getSimpleName (class e)) " " (str/replace (str (.getMessage e)) #"\s+" " ")))))

(let [in (java.io.BufferedReader. (java.io.InputStreamReader. System/in "UTF-8"))
      out (java.io.PrintWriter. (java.io.OutputStreamWriter. System/out "UTF-8"))
      decoder (java.util.Base64/getDecoder)]
  (doseq [line (line-seq in)]
    (.println out (answer (String. (.decode decoder ^String line) "UTF-8"))))
  (.flush out))
