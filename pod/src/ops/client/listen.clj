(defn listen
  "Calls f with the report of every transaction from now on, one after the other, on a thread of
  its own. Returns the key for unlisten."
  ([conn f] (listen conn (keyword (str (java.util.UUID/randomUUID))) f))
  ([conn key f]
   (let [started (promise)
         reports (agent nil)
         call (fn [_ report]
                (try (f report)
                     (catch Throwable e
                       (binding [*out* *err*]
                         (println "listener" key "failed:" (ex-message e)))))
                nil)]
     (babashka.pods/invoke
      "pod.datalith" 'pod.datalith/listen [conn key]
      {:handlers {:success (fn [report]
                             (if (realized? started)
                               (send-off reports call report)
                               (deliver started nil)))
                  :error (fn [{:keys [ex-message ex-data]}]
                           (when (realized? started)
                             (binding [*out* *err*]
                               (println "listener" key "ended:" ex-message)))
                           (deliver started (ex-info ex-message ex-data)))
                  :done (fn [])}})
     (when-some [failure (deref started 60000 (ex-info "The pod does not answer" {}))]
       (throw failure))
     key)))
