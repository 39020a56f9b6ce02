;; Datalevin on the JVM; its result is a set of vectors. Results of queries are not cached.
;; The requests are those of wire.py.
(ns ask-datalevin
  (:require [clojure.edn :as edn]
            [clojure.java.io :as io]
            [clojure.string :as str]
            [datalevin.core :as d]
            [datalevin.query :as dq]
            [jsonista.core :as json])
  (:import [java.lang.foreign Arena FunctionDescriptor Linker Linker$Option MemoryLayout ValueLayout]
           [java.nio.file Files]
           [java.util.zip CRC32]))

(set! *warn-on-reflection* false)

(def most-runs 500)
(def connection (atom nil))

;; The JVM's own measure of CPU time ticks in hundredths of a second.
(def clock
  (let [linker (Linker/nativeLinker)
        layouts (into-array MemoryLayout [ValueLayout/JAVA_INT ValueLayout/ADDRESS])
        descriptor (FunctionDescriptor/of ValueLayout/JAVA_INT layouts)
        address (.get (.find (.defaultLookup linker) "clock_gettime"))]
    (.downcallHandle linker address descriptor (make-array Linker$Option 0))))

(def timespec (.allocate (Arena/global) 16 8))

(defn cpu-ms []
  (.invokeWithArguments clock (object-array [(int 2) timespec]))
  (+ (* 1e3 (.get timespec ValueLayout/JAVA_LONG 0))
     (/ (.get timespec ValueLayout/JAVA_LONG 8) 1e6)))

(defn wall-ms [] (/ (System/nanoTime) 1e6))

(defn options [{:strs [type many index unique]}]
  (cond-> {:db/valueType (case type "ref" :db.type/ref "str" :db.type/string "key" :db.type/keyword :db.type/long)}
    many (assoc :db/cardinality :db.cardinality/many)
    unique (assoc :db/unique :db.unique/identity)))

(defn datoms [columns line]
  (let [fields (str/split line #"\t" -1)
        e (parse-long (first fields))]
    (for [[{:strs [attribute type]} text] (map vector columns fields)
          :when (and attribute (not= text "\\N"))]
      [:db/add e (keyword attribute) (case type "str" text "key" (keyword text) (parse-long text))])))

(defn load-suite [folder]
  (when-let [open @connection] (d/close open))
  (let [tables (remove #(get % "only") (get (json/read-value (io/file folder "suite.json")) "tables"))
        columns (filter #(get % "attribute") (mapcat #(get % "columns") tables))
        schema (into {} (map (fn [column] [(keyword (get column "attribute")) (options column)])) columns)
        place (str (Files/createTempDirectory "datalevin" (make-array java.nio.file.attribute.FileAttribute 0)))
        conn (d/get-conn place schema {:kv-opts {:flags #{:nordahead :notls :nosync}}})]
    (reset! connection conn)
    (doseq [table tables]
      (with-open [reader (io/reader (io/file folder (str (get table "name") ".tsv")))]
        (doseq [lines (partition-all 20000 (line-seq reader))]
          (d/transact! conn (mapcat #(datoms (get table "columns") %) lines)))))
    (d/datalog-index-cache-limit (d/db conn) 0)))

(def parsed (memoize edn/read-string))

(defn ask [{:strs [text in]}]
  (binding [dq/*cache?* false]
    (apply d/q (parsed text) (d/db @connection) (mapv parsed in))))

(defn text-of [kind value]
  (case kind
    "real" (str (long (Math/floor (+ 0.5 (* 1e4 (double value))))))
    "whole" (str (long (Math/floor (+ 0.5 (double value)))))
    "str" (if (keyword? value) (name value) value)
    (str (long value))))

(defn digest [rows columns]
  (let [kinds (str/split columns #" ")
        crc (fn [row]
              (let [crc (CRC32.)]
                (.update crc (.getBytes ^String (str/join "\t" (map text-of kinds row)) "UTF-8"))
                (.getValue crc)))]
    {:rows (count rows) :digest (rem (transduce (map crc) + 0 rows) (bit-shift-left 1 48))}))

(defn timed [{:strs [ms] :as query}]
  (let [until (+ (wall-ms) ms)]
    (loop [cpus [] walls []]
      (if (or (empty? cpus) (and (< (wall-ms) until) (< (count cpus) most-runs)))
        (let [cpu (cpu-ms) wall (wall-ms)]
          (ask query)
          (let [cpu (- (cpu-ms) cpu)]
            (recur (conj cpus cpu) (conj walls (- (wall-ms) wall)))))
        {:cpu_ms cpus :wall_ms walls}))))

(defn answer [{:strs [do] :as request}]
  (case do
    "load" (dorun (load-suite (get request "folder")))
    "check" (digest (ask request) (get request "columns"))
    "time" (timed request)))

(defn -main [& _]
  (doseq [line (line-seq (io/reader System/in))]
    (let [said (try (or (answer (json/read-value line)) {})
                    (catch Throwable error {:error (str error)}))]
      (println (json/write-value-as-string said))
      (flush)))
  (System/exit 0))

(when-not *compile-files* (-main))
