import assert from 'node:assert/strict'
import { test } from 'node:test'

import { file } from './database.js'
import { edn, key, show } from './forms.js'
import { Pod } from './pod.js'

const TX = 536870913

/** Calls Datahike's own names. */
function client (t) {
  const pod = Pod.start(t)
  return (name, ...args) => pod.invoke(`datahike.pod/${name}`, ...args)
}

test('the example that Datahike documents for its pod, step by step', async t => {
  const d = client(t)
  const config = file(t)
  assert.equal(await d('delete-database', config), null)
  const effective = await d('create-database', config)
  assert.equal(show(effective.get(key('schema-flexibility'))), ':read')
  const conn = await d('connect', config)
  const report = await d('transact', conn, edn`[{:name "Alice" :age 20} {:name "Bob" :age 30}
    {:name "Charlie" :age 40} {:age 15}]`)
  assert.equal(show(report.get(key('db-after'))), `{:max-eid 4, :max-tx ${TX}}`)

  const db = await d('db', conn)
  assert.equal(show(await d('q', edn`[:find ?e ?n ?a :where [?e :name ?n] [?e :age ?a]]`, db)),
    '#{[1 "Alice" 20] [2 "Bob" 30] [3 "Charlie" 40]}')
  assert.equal(show(await d('release-db', db)), '{}')
  await assert.rejects(d('schema', db), { message: 'Database not found' })

  assert.equal(show(await d('pull', await d('db', conn), edn`[*]`, 3)),
    '{:age 40, :db/id 3, :name "Charlie"}')

  // What with-db expands to, with a query in a map that has no :args.
  const bound = await d('db', conn)
  const found = await d('q', edn`{:query {:find [?e ?a ?v] :where [[?e ?a ?v]]}}`, bound)
  assert.match(show(found), new RegExp(
    `^#\\{\\[1 :age 20\\] \\[1 :name "Alice"\\] \\[2 :age 30\\] \\[2 :name "Bob"\\] \\[3 :age 40\\] ` +
    `\\[3 :name "Charlie"\\] \\[4 :age 15\\] \\[${TX} :db/txInstant #inst "[^"]+"\\]\\}$`))
  assert.equal(show(await d('release-db', bound)), '{}')
  assert.equal(await d('release', conn), null)
  assert.equal(await d('delete-database', config), null)
  assert.equal(await d('database-exists?', config), false)
})

test("the example of Datahike's README, with its schema", async t => {
  const d = client(t)
  const config = edn`{:store ${file(t).get(key('store'))}}`
  await d('create-database', config)
  const conn = await d('connect', config)
  await d('transact', conn, edn`[
    {:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
    {:db/ident :age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]`)
  await d('transact', conn, edn`[{:name "Alice" :age 20} {:name "Bob" :age 30}
    {:name "Charlie" :age 40}]`)
  const query = edn`{:find [?e ?n ?a] :where [[?e :name ?n] [?e :age ?a]]}`
  const ask = async () => show(await d('q', edn`{:query ${query} :args [${await d('db', conn)}]}`))
  assert.equal(await ask(), '#{[3 "Alice" 20] [4 "Bob" 30] [5 "Charlie" 40]}')

  await d('transact', conn, edn`{:tx-data [{:db/id 3 :age 25}]}`)
  assert.equal(await ask(), '#{[3 "Alice" 25] [4 "Bob" 30] [5 "Charlie" 40]}')
  const history = await d('history', await d('db', conn))
  assert.equal(show(await d('q', edn`{:query {:find [?a] :where [[?e :name "Alice"] [?e :age ?a]]}
    :args [${history}]}`)), '#{[20] [25]}')
  await assert.rejects(d('transact', conn, edn`[{:age "old"}]`), { key: ':transact/schema' })
  assert.equal(await d('release', conn), null)
  assert.equal(await d('delete-database', config), null)
})
