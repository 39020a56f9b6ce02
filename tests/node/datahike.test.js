import assert from 'node:assert/strict'
import { test } from 'node:test'

import transit from 'transit-js'

import { FACES, memory, open } from './database.js'
import { edn, key, pairs, show } from './forms.js'
import { Pod } from './pod.js'

const TX = 536870913
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** A database of people whose second transaction changes an age. */
async function people (t, face) {
  const pod = Pod.start(t)
  const call = (name, ...args) => pod.invoke(`${face}/${name}`, ...args)
  const check = async (expected, name, ...args) => {
    assert.equal(show(await call(name, ...args)), expected, name)
  }
  const config = memory()
  const conn = await open(pod, config, face)
  const reports = [
    await call('transact', conn, edn`[{:name "Alice" :age 20 :friend 2} {:name "Bob" :age 30}]`),
    await call('transact', conn, edn`{:tx-data [{:db/id 2 :age 31}] :tx-meta {:why "birthday"}}`)
  ]
  return { pod, call, check, config, conn, reports, db: await call('db', conn) }
}

for (const face of FACES) {
  test(`${face}: databases come and go`, async t => {
    const { call, check } = await people(t, face)
    const config = memory()
    await check('false', 'database-exists?', config)
    await check('nil', 'delete-database', config)
    const effective = await call('create-database', config)
    assert.equal(effective.get(key('keep-history?')), true)
    assert.equal(show(effective.get(key('index'))), ':datahike.index/persistent-set')
    await check('true', 'database-exists?', config)
    await assert.rejects(call('create-database', config), { key: ':db-already-exists' })
    await check('nil', 'delete-database', config)
    await check('false', 'database-exists?', config)
    await assert.rejects(call('connect', config), { key: ':db-does-not-exist' })
  })

  test(`${face}: handles`, async t => {
    const { call, check, config, conn, db } = await people(t, face)
    const [conns, dbs] = [conn, db].map(handle => [handle, show(handle)])
    if (face === 'datahike.pod') {
      assert.match(conns[0], /^conn:[0-9a-f]+$/)
      assert.match(dbs[0], UUID)
    } else {
      assert.match(conns[1], /^\{:datalith\/conn "conn:[0-9a-f]+"\}$/)
      assert.match(dbs[1], /^\{:datalith\/db "[-0-9a-f]{36}", :t 2\}$/)
    }
    assert.equal(show(await call('connect', config)), conns[1])
    await check('{}', 'release-db', db)
    await assert.rejects(call('schema', db), { key: ':pod/database-not-found' })
    await check('nil', 'release', conn)
    await assert.rejects(call('db', conn), { key: ':pod/connection-not-found' })
  })

  test(`${face}: a report has five keys in order`, async t => {
    const { reports: [first, second] } = await people(t, face)
    const keys = pairs(second).map(([name]) => String(name))
    assert.deepEqual(keys, [':tempids', ':db-before', ':db-after', ':tx-meta', ':tx-data'])
    assert.equal(show(first.get(key('db-before'))), '{:max-eid 0, :max-tx 536870912}')
    assert.equal(show(second.get(key('db-after'))), '{:max-eid 2, :max-tx 536870914}')
    assert.equal(show(second.get(key('tempids'))), '{:db/current-tx 536870914}')
    const meta = second.get(key('tx-meta'))
    assert.equal(meta.get(key('why')), 'birthday')
    assert.ok(meta.get(key('db/txInstant')) instanceof Date)
    assert.ok(transit.isUUID(meta.get(key('db/commitId'))))
    const datoms = show(second.get(key('tx-data')))
    assert.match(datoms, /^\(\(536870914 :db\/txInstant #inst "[^"]+" 536870914 true\) /)
    assert.match(datoms, / \(2 :age 30 536870914 false\) \(2 :age 31 536870914 true\)\)$/)
  })

  test(`${face}: views of time`, async t => {
    const { pod, call, conn, db } = await people(t, face)
    const age = async view => show(await call('q', edn`[:find ?a :where [2 :age ?a]]`, view))
    assert.equal(await age(db), '#{[31]}')
    assert.equal(await age(await call('as-of', db, TX)), '#{[30]}')
    assert.equal(await age(await call('as-of', db, new Date(0))), '#{}')
    assert.equal(await age(await call('since', db, TX)), '#{[31]}')
    assert.equal(await age(await call('history', db)), '#{[30] [31]}')
    assert.equal(await age(await call('db-with', db, edn`[[:db/add 2 :age 32]]`)), '#{[32]}')
    assert.equal(await age(await pod.invoke(`${face}/db`, conn)), '#{[31]}')
  })

  test(`${face}: queries in every form and shape`, async t => {
    const { check, db } = await people(t, face)
    const pair = '#{["Alice" 20] ["Bob" 31]}'
    const vector = edn`[:find ?n ?a :where [?e :name ?n] [?e :age ?a]]`
    const map = edn`{:find [?n ?a] :where [[?e :name ?n] [?e :age ?a]]}`
    await check(pair, 'q', vector, db)
    await check(pair, 'q', map, db)
    await check(pair, 'q', '[:find ?n ?a :where [?e :name ?n] [?e :age ?a]]', db)
    await check(pair, 'q', edn`{:query ${map} :args [${db}]}`)
    await check(pair, 'q', edn`{:query ${map}}`, db)
    await check('2', 'q', edn`[:find (count ?e) . :where [?e :name]]`, db)
    const aged = edn`[:find [?n ...] :in $ ?a :where [?e :age ?a] [?e :name ?n]]`
    await check('["Alice"]', 'q', aged, db, 20)
    await check('["Alice" 20]', 'q', edn`[:find [?n ?a] :where [1 :name ?n] [1 :age ?a]]`, db)
    await check('[{:n "Bob"}]', 'q', edn`[:find ?n :keys n :where [2 :name ?n]]`, db)
    await check('nil', 'q', edn`[:find ?n . :where [9 :name ?n]]`, db)
    await check('[[{:age 20}]]', 'q', edn`[:find (pull ?e [:age]) :where [?e :name "Alice"]]`, db)
    const across = edn`[:find ?n :in $a $b :where [$a ?e :friend ?f] [$b ?f :name ?n]]`
    await check('#{["Bob"]}', 'q', across, db, db)
  })

  test(`${face}: entities and patterns`, async t => {
    const { check, db } = await people(t, face)
    const alice = '{:age 20, :db/id 1, :friend 2, :name "Alice"}'
    await check(alice, 'pull', db, edn`[*]`, 1)
    await check(alice, 'pull', db, edn`{:selector [*] :eid 1}`)
    await check('nil', 'pull', db, edn`[:none]`, 1)
    await check('[{:age 20} {:age 31}]', 'pull-many', db, edn`[:age]`, [1, 2])
    await check('[{:age 20} {:age 31}]', 'pull-many', db, edn`{:selector [:age] :eids [1 2]}`)
    await check('{:age 31, :name "Bob"}', 'entity', db, 2)
  })

  test(`${face}: indexes and what the database knows of itself`, async t => {
    const { call, check, db } = await people(t, face)
    const bob = '(2 :age 31 536870914 true)'
    await check(`(${bob})`, 'datoms', db, key('eavt'), 2, key('age'))
    await check(`(${bob})`, 'datoms', db, edn`{:index :aevt :components [:age 2]}`)
    const limited = edn`{:index :aevt :components [:age] :limit 1}`
    await check(`((1 :age 20 ${TX} true))`, 'datoms', db, limited)
    await check(`(${bob})`, 'seek-datoms', db, edn`{:index :eavt :components [2] :limit 1}`)
    const after = await call('db-with', db, edn`[{:db/ident :name :db/valueType :db.type/string
      :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}]`)
    const schema = await call('schema', after)
    assert.equal(show(schema.get(key('name')).get(key('db/unique'))), ':db.unique/identity')
    const reverse = await call('reverse-schema', after)
    assert.equal(show(reverse.get(key('db.unique/identity'))), '#{:name}')
    const metrics = await call('metrics', db)
    assert.equal(show(metrics.get(key('per-attr-counts')).get(key('age'))), '2')
    assert.equal(metrics.get(key('count')), 8)
  })

  test(`${face}: false stays false, nil stays nil`, async t => {
    const { pod, check, conn } = await people(t, face)
    await check('false', 'q', edn`[:find ?x . :in ?x]`, false)
    await check('nil', 'q', edn`[:find ?x . :in [?x ...]]`, [])
    await check('#{[false]}', 'q', edn`[:find ?x :in [?x ...]]`, [false])
    await check('[false]', 'q-boxed', edn`[:find ?x . :in ?x]`, false)
    assert.equal(show(await pod.invoke(`${face}/unlisten`, conn, key('nobody'))), 'false')
  })
}

test('with-db is a macro of the client, in both namespaces', async t => {
  const { namespaces } = await Pod.start(t).describe()
  for (const { vars } of namespaces) {
    assert.match(vars.find(({ name }) => name === 'with-db').code, /^\(defmacro with-db/)
  }
})
