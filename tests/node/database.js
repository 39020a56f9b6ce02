import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { edn } from './forms.js'

/** The namespaces of the pod: the one that is also its name, and Datahike's. */
export const FACES = ['pod.datalith', 'datahike.pod']

/** The configuration of a fresh database in memory. */
export function memory () {
  return edn`{:store {:backend :memory :id #uuid ${randomUUID()}}
              :schema-flexibility :read :keep-history? true}`
}

/** The configuration of a fresh database on disk, gone after the test. */
export function file (t) {
  const folder = mkdtempSync(join(tmpdir(), 'datalith-node-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return edn`{:store {:backend :file :path ${join(folder, 'db')}}
              :schema-flexibility :read :keep-history? true}`
}

/** Creates a database and connects to it. */
export async function open (pod, config, face = FACES[0]) {
  await pod.invoke(`${face}/create-database`, config)
  return pod.invoke(`${face}/connect`, config)
}

/** Begins a query that takes many seconds, and waits until a worker has it. */
export async function beginLongQuery (pod) {
  // It counts one by one: no cleverness of the planner ends that soon.
  const rules = edn`[[(up ?n ?m) [(inc ?n) ?m]]
                     [(up ?n ?m) [(inc ?n) ?k] [(< ?k 1000000000)] (up ?k ?m)]]`
  const query = edn`[:find (max ?m) . :in $ % :where (up 0 ?m)]`
  const replies = pod.call('datahike.pod/q', [query, [[0, 0]], rules])
  // Calls begin in the order in which they came: when a later one is answered, this one runs.
  await pod.invoke('datahike.pod/q', edn`[:find ?x . :in ?x]`, 1)
  return replies
}
