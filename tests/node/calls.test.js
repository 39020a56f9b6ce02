import assert from 'node:assert/strict'
import { test } from 'node:test'

import { beginLongQuery, memory, open } from './database.js'
import { edn, show } from './forms.js'
import { Pod } from './pod.js'

/** Rows of the largest result. */
const ROWS = Number(process.env.DATALITH_NODE_ROWS ?? 1_000_000)
const ECHO = edn`[:find ?x . :in ?x]`
const SECONDS = 1000

test('a long query delays no later call', async t => {
  const pod = Pod.start(t)
  const long = await beginLongQuery(pod)
  const conn = await open(pod, memory())
  for (let age = 0; age < 20; age++) {
    await pod.invoke('datahike.pod/transact', conn, edn`[{:age ${age}}]`)
    assert.equal(await pod.invoke('datahike.pod/q', ECHO, age), age)
  }
  assert.equal(long.ended, false)
  assert.equal(pod.unanswered, 1)
})

test('10,000 calls at one time, each answered once and rightly', async t => {
  const pod = Pod.start(t)
  const answers = await Promise.all(
    Array.from({ length: 10_000 }, (_, n) => pod.invoke('datahike.pod/q', ECHO, `answer ${n}`)))
  answers.forEach((answer, n) => assert.equal(answer, `answer ${n}`))
  assert.equal(pod.unanswered, 0)
  assert.equal(new Set(pod.ended).size, 10_000)
})

test('transactions of one connection keep the order in which they were sent', async t => {
  const pod = Pod.start(t)
  const conn = await open(pod, memory())
  const reports = await Promise.all(Array.from({ length: 500 }, (_, n) =>
    pod.invoke('datahike.pod/transact', conn, edn`[[:db/add 1 :n ${n}]]`)))
  const times = reports.map(report => report.get(edn`:db-after`).get(edn`:max-tx`))
  assert.deepEqual(times, times.map((_, n) => 536870913 + n))
  const db = await pod.invoke('datahike.pod/db', conn)
  assert.equal(await pod.invoke('datahike.pod/q', edn`[:find ?n . :where [1 :n ?n]]`, db), 499)
})

test(`a result of ${ROWS.toLocaleString('en')} rows`, { timeout: 120 * SECONDS }, async t => {
  const pod = Pod.start(t)
  const side = Math.ceil(Math.sqrt(ROWS))
  const numbers = Array.from({ length: side }, (_, n) => n)
  const query = edn`[:find ?a ?b :in [?a ...] [?b ...]]`
  const reply = await pod.call('datahike.pod/q', [query, numbers, numbers])
    .next('rows', 100 * SECONDS)
  // The set's tag is read by hand: a hash set of a million vectors would measure the client.
  const [tag, rows] = JSON.parse(reply.value)
  assert.equal(tag, '~#set')
  assert.equal(rows.length, side * side)
  const seen = new Uint8Array(side * side)
  for (const [a, b] of rows) seen[a * side + b] += 1
  assert.ok(seen.every(count => count === 1))
  assert.equal(await pod.invoke('datahike.pod/q', ECHO, 1), 1)
})

test('large answers wait for a client that does not read', async t => {
  const pod = Pod.start(t)
  const text = 'x'.repeat(100_000)
  await pod.invoke('datahike.pod/q', ECHO, 0)
  pod.pause()
  const calls = Array.from({ length: 200 }, () => pod.call('datahike.pod/q', [ECHO, text]))
  pod.resume()
  for (const replies of calls) {
    assert.equal(pod.answer(await replies.next('answer')), text)
  }
})

test('messages split at every byte, and many in one piece', async t => {
  const pod = Pod.start(t)
  const frames = ['a', 'b', 'c'].map(id => {
    const args = '["~#list",["[:find ?x . :in ?x]",7]]'
    return `d4:args${args.length}:${args}2:id1:${id}2:op6:invoke3:var14:datahike.pod/qe`
  })
  const replies = ['a', 'b', 'c'].map(id => pod.expect(id))
  for (const byte of frames[0]) pod.sendBytes(byte)
  pod.sendBytes(frames[1] + frames[2])
  for (const reply of replies) assert.equal(show(pod.answer(await reply.next('answer'))), '7')
})

test('an id in use twice is answered twice', async t => {
  const pod = Pod.start(t)
  const ids = ['', 'ü', 'a'.repeat(10_000)]
  for (const id of ids) {
    assert.equal(pod.answer(await pod.call('datahike.pod/q', [ECHO, 1], id).next('answer')), 1)
    assert.equal(pod.answer(await pod.call('datahike.pod/q', [ECHO, 2], id).next('answer')), 2)
  }
})
