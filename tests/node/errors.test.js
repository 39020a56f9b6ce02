import assert from 'node:assert/strict'
import { test } from 'node:test'

import { memory, open } from './database.js'
import { edn, show } from './forms.js'
import { Pod } from './pod.js'

const ECHO = edn`[:find ?x . :in ?x]`

/** Calls that fail: variable, arguments made of the handles, `:error` of the ex-data, message. */
const FAILURES = [
  ['q', db => [edn`[:find ?e :where [?e :age ?a] [(< ?a ?x)]]`, db], ':query/where', /\?x/],
  ['q', db => [edn`[:find ?e :where [?e :age ?a] [(no-such ?a)]]`, db], ':query/where', /no-such/],
  ['q', db => [edn`[:find ?e]`, db], ':parser/query', /\?e/],
  ['q', db => ['[:find ?e :where', db], ':edn/syntax', /ends/],
  ['pull', db => [db, edn`[*]`, edn`[:nobody "x"]`], ':lookup-ref/unique', /:nobody/],
  ['pull', db => [db, edn`[{1 2}]`, 1], ':parser/pull', /attr-spec 1/],
  ['db', () => ['conn:0'], ':pod/connection-not-found', /Connection not found/],
  ['pull', () => ['no handle', edn`[*]`, 1], ':pod/database-not-found', /Database not found/],
  ['transact', (db, conn) => [conn, edn`[[:db/add 1]]`], ':transact/syntax', /:db\/add/],
  ['transact', (db, conn) => [conn, edn`[[:db.fn/cas 1 :age 1 2]]`], ':transact/cas', /1/],
  ['transact', (db, conn) => [conn, edn`[[:frobnicate 1 :age 1]]`], ':transact/syntax', /frobnicate/],
  ['transact', (db, conn) => [conn, 5], ':transact/syntax', /expected map, vector or/],
  ['transact', (db, conn) => [conn, edn`{:data []}`], ':transact/syntax', /:tx-data/],
  ['datoms', db => [db, edn`:nope`], ':index-access', /:nope/],
  ['pull-many', db => [db, edn`[*]`, 5], ':pod/arguments', /a list of entities/],
  ['q', () => [], ':pod/arguments', /Wrong number of args \(0\)/],
  ['pull', db => [db], ':pod/arguments', /Wrong number of args \(1\)/],
  ['connect', () => [edn`{:store {:backend :s4}}`], ':backend-does-not-exist', /:s4/]
]

test('an error has a message and a map with :error, and only its call fails', async t => {
  const pod = Pod.start(t)
  for (const face of ['datahike.pod', 'pod.datalith']) {
    const conn = await open(pod, memory(), face)
    await pod.invoke(`${face}/transact`, conn, edn`[{:age 20}]`)
    const db = await pod.invoke(`${face}/db`, conn)
    for (const [name, args, error, message] of FAILURES) {
      await assert.rejects(pod.invoke(`${face}/${name}`, ...args(db, conn)), failure => {
        assert.match(failure.message, message)
        assert.equal(failure.key, error, failure.message)
        assert.ok(failure.data.get(edn`:cognitect.anomalies/category`), failure.message)
        return true
      }, `${face}/${name} ${error}`)
      assert.equal(await pod.invoke('datahike.pod/q', ECHO, 1), 1)
    }
  }
  assert.equal(pod.stderr, '')
})

test('ex-data carries the values that were at fault, whatever they are', async t => {
  const pod = Pod.start(t)
  const bytes = new Uint8Array([1])
  for (const value of [NaN, bytes, edn`#{[1] {:a nil}}`, '\u0000🙂', edn`#inst "2024"`]) {
    await assert.rejects(pod.invoke('datahike.pod/transact', value, []), failure => {
      assert.equal(show(failure.data.get(edn`:conn-id`)), show(value))
      return true
    })
  }
})

const invoke = (name, args) => ({ op: 'invoke', var: name, args })

test('messages that make no sense are refused by their id', async t => {
  const pod = Pod.start(t)
  const check = async (message, expected) => {
    const reply = await pod.send(message).next('refusal')
    assert.deepEqual(reply.status, ['done', 'error'])
    assert.match(reply['ex-message'], expected)
    assert.equal(await pod.invoke('datahike.pod/q', ECHO, 1), 1)
  }
  await check({ op: 'frobnicate' }, /Unknown op: frobnicate/)
  await check({}, /no "op"/)
  await check({ op: ['invoke'] }, /"op" must be a string/)
  await check({ op: 'invoke' }, /no "var"/)
  await check(invoke('datahike.pod/no-such', '[]'), /Var not found: datahike\.pod\/no-such/)
  await check(invoke('no.such/q', '[]'), /Var not found: no\.such\/q/)
  await check(invoke('q', '[]'), /Var not found: q/)
  await check(invoke('', '[]'), /Var not found/)
  await check(invoke('datahike.pod/q', ['[]']), /"args" must be a string/)
})

test('arguments that are no transit are refused', async t => {
  const pod = Pod.start(t)
  const deep = depth => '['.repeat(depth) + ']'.repeat(depth)
  for (const args of [
    '(1 2)', '[', '5', '["~#set"', '["^9"]', '["~i1x"]', '["~uzz"]', '{"~#list":[', deep(100_000),
    '["~#cmap",[1]]'
  ]) {
    const reply = await pod.send(invoke('datahike.pod/q', args)).next('refusal')
    assert.ok(reply.status.includes('error'), args.slice(0, 20))
    assert.equal(await pod.invoke('datahike.pod/q', ECHO, 1), 1)
  }
})

test('arguments in a vector, and nil for none', async t => {
  const pod = Pod.start(t)
  const answer = async args =>
    pod.answer(await pod.send(invoke('datahike.pod/q', args)).next('answer'))
  assert.equal(await answer('["[:find ?x . :in ?x]",7]'), 7)
  for (const args of ['["~#\'",null]', 'null', undefined, '', '[]', '["~#list",[]]']) {
    await assert.rejects(answer(args), { key: ':pod/arguments' }, String(args))
  }
})
