(ns babashka.pods
  "The client side of the pod protocol for plain Clojure: enough to run the scripts of
  pod/examples where there is no bb. Payloads are EDN, so the pod must be started with
  DATALITH_POD_FORMAT=edn; like bb's own client it makes nil of a whole result that is false."
  (:require [clojure.edn :as edn])
  (:import (java.io BufferedInputStream BufferedOutputStream ByteArrayOutputStream
                    EOFException InputStream OutputStream)
           (java.lang ProcessBuilder$Redirect)
           (java.util UUID)))

;; Bencode: byte strings (read as text), integers, lists, dictionaries.

(defn- utf8 ^bytes [^String text] (.getBytes text "UTF-8"))

(defn- read-until ^String [^InputStream in first-byte end]
  (loop [text (StringBuilder. (if first-byte (str (char first-byte)) ""))]
    (let [byte (.read in)]
      (cond
        (neg? byte) (throw (EOFException.))
        (= byte (int end)) (str text)
        :else (recur (.append text (char byte)))))))

(defn- read-bencode [^InputStream in]
  (let [byte (.read in)]
    (case (char (if (neg? byte) 0 byte))
      \u0000 (throw (EOFException.))
      \i (Long/parseLong (read-until in nil \e))
      \l (loop [items []]
           (let [item (read-bencode in)]
             (if (= ::end item) items (recur (conj items item)))))
      \d (loop [entries {}]
           (let [key (read-bencode in)]
             (if (= ::end key) entries (recur (assoc entries key (read-bencode in))))))
      \e ::end
      (let [length (Long/parseLong (read-until in byte \:))
            bytes (.readNBytes in (int length))]
        (when (< (alength bytes) length) (throw (EOFException.)))
        (String. bytes "UTF-8")))))

(defn- write-message
  "Writes a dictionary of strings, its keys in order."
  [^OutputStream out message]
  (let [buffer (ByteArrayOutputStream.)
        text (fn [^String s] (let [bytes (utf8 s)]
                               (.write buffer (utf8 (str (alength bytes) ":")))
                               (.write buffer bytes)))]
    (.write buffer (utf8 "d"))
    (doseq [[key value] (sort message)] (text key) (text value))
    (.write buffer (utf8 "e"))
    (locking out
      (.writeTo buffer out)
      (.flush out))))

;; Pods by the name of their first namespace.

(defonce ^:private pods (atom {}))

(defn- payload [text] (edn/read-string {:default tagged-literal} text))

(defn- deliver-reply [calls {:strs [id value status ex-message ex-data out err]}]
  (let [{:keys [answer handlers]} (get @calls id)
        error? (some #{"error"} status)
        failure (when error? (ex-info (or ex-message "") (if ex-data (payload ex-data) {})))]
    (when out (print out) (flush))
    (when err (binding [*out* *err*] (print err) (flush)))
    (if handlers
      (do (when value ((:success handlers) (payload value)))
          (when failure ((:error handlers) {:ex-message ex-message :ex-data (clojure.core/ex-data failure)}))
          (when (and (some #{"done"} status) (:done handlers)) ((:done handlers))))
      (when answer
        (cond
          failure (deliver answer {:failure failure})
          value (deliver answer {:value (payload value)})
          (some #{"done"} status) (deliver answer {:value nil}))))
    (when (or error? (some #{"done"} status)) (swap! calls dissoc id))))

(defn- listen-to-pod [^InputStream in calls]
  (doto (Thread.
         (fn []
           (try
             (while true (deliver-reply calls (read-bencode in)))
             (catch Exception cause
               (doseq [[_ {:keys [answer]}] @calls :when answer]
                 (deliver answer {:failure (ex-info "Pod quit unexpectedly" {} cause)}))))))
    (.setDaemon true)
    (.start)))

(defn invoke
  "Calls a variable of a pod; with :handlers the replies go to them and nil is returned."
  ([pod-id variable args] (invoke pod-id variable args {}))
  ([pod-id variable args {:keys [handlers]}]
   (let [{:keys [out calls]} (get @pods (str pod-id))
         id (str (UUID/randomUUID))
         answer (when-not handlers (promise))]
     (swap! calls assoc id {:answer answer :handlers handlers})
     (write-message out {"op" "invoke" "id" id "var" (str variable) "args" (pr-str args)})
     (when answer
       (let [{:keys [failure value]} @answer]
         (when failure (throw failure))
         (or value nil))))))

(defn- define [pod-id namespace {:strs [name code meta]}]
  (if code
    (binding [*ns* namespace] (load-string code))
    (let [variable (symbol (str namespace) name)]
      (intern namespace (with-meta (symbol name) (when meta (edn/read-string meta)))
              (fn [& args] (invoke pod-id variable args))))))

(defn load-pod
  "Starts a pod and defines its namespaces. The pod ends with this process."
  [command & _]
  (let [builder (ProcessBuilder. ^java.util.List (if (string? command) [command] (vec command)))
        _ (doto (.environment builder)
            (.put "BABASHKA_POD" "true")
            (.put "DATALITH_POD_FORMAT" "edn"))
        process (.start (.redirectError builder ProcessBuilder$Redirect/INHERIT))
        in (BufferedInputStream. (.getInputStream process))
        out (BufferedOutputStream. (.getOutputStream process))
        calls (atom {})]
    (write-message out {"op" "describe" "id" "describe"})
    (let [{:strs [format namespaces]} (read-bencode in)
          pod-id (get (first namespaces) "name")]
      (assert (= "edn" format) "the pod was not started with DATALITH_POD_FORMAT=edn")
      (swap! pods assoc pod-id {:out out :calls calls})
      (doseq [{:strs [name vars]} namespaces]
        (let [namespace (create-ns (symbol name))]
          (swap! pods assoc name {:out out :calls calls})
          (binding [*ns* namespace] (refer 'clojure.core :exclude (map #(symbol (get % "name")) vars)))
          (doseq [variable vars] (define pod-id namespace variable))
          (dosync (alter @#'clojure.core/*loaded-libs* conj (symbol name)))))
      (listen-to-pod in calls)
      (.addShutdownHook (Runtime/getRuntime)
                        (Thread. (fn []
                                   (write-message out {"op" "shutdown" "id" "shutdown"})
                                   (.waitFor process))))
      {:pod/id pod-id})))
