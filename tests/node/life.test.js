import assert from 'node:assert/strict'
import { test } from 'node:test'

import bencode from 'bencode'

import { beginLongQuery, file, open } from './database.js'
import { edn, members } from './forms.js'
import { Pod } from './pod.js'

/** How long the pod may take to end, in milliseconds; a debug build on a busy machine. */
const END_MS = 10_000

test('the end of input between messages', async t => {
  const pod = Pod.start(t)
  await pod.describe()
  assert.deepEqual(await pod.close(END_MS), { code: 0, signal: null, whole: true })
})

test('the end of input before anything', async t => {
  assert.equal((await Pod.start(t).close(END_MS)).code, 0)
})

test('the end of input within a message', async t => {
  const pod = Pod.start(t)
  const message = Buffer.from(bencode.encode({ id: 'x', ...pod.message('datahike.pod/q', [1]) }))
  pod.sendBytes(message.subarray(0, message.length - 1))
  const { code, whole } = await pod.close(END_MS)
  assert.deepEqual([code, whole], [1, true])
  assert.match(pod.stderr, /^datalith: .*\n$/)
})

test('a message that announces more than the limit', async t => {
  const pod = Pod.start(t)
  pod.sendBytes('d2:op99999999999:')
  assert.equal((await pod.exit).code, 1)
})

test('calls sent before the input ends are answered', async t => {
  const pod = Pod.start(t)
  const calls = Array.from({ length: 100 }, (_, n) =>
    pod.invoke('datahike.pod/q', edn`[:find ?x . :in ?x]`, n))
  assert.equal((await pod.close(END_MS)).code, 0)
  assert.deepEqual(await Promise.all(calls), calls.map((_, n) => n))
})

for (const [how, end] of [
  ['the end of input', pod => pod.close(END_MS)],
  ['shutdown', pod => pod.shutDown(END_MS)],
  ['SIGTERM', pod => pod.kill('SIGTERM')]
]) {
  test(`${how} while a query runs`, async t => {
    const pod = Pod.start(t)
    await beginLongQuery(pod)
    assert.deepEqual(await end(pod), { code: 0, signal: null, whole: true })
    assert.equal(pod.unanswered, 1)
  })
}

test('an interrupt is left to the client', async t => {
  const pod = Pod.start(t)
  await pod.describe()
  process.kill(pod.pid, 'SIGINT')
  await pod.describe()
  assert.equal((await pod.shutDown(END_MS)).code, 0)
})

/** Sends transactions of two datoms each; gives the numbers of those that were acknowledged. */
function transactMany (pod, conn, count) {
  const acknowledged = new Set()
  const calls = Array.from({ length: count }, (_, n) =>
    pod.invoke('datahike.pod/transact', conn, edn`[{:n ${n} :twin ${n}}]`)
      .then(() => acknowledged.add(n), () => {}))
  return { acknowledged, calls }
}

/** Opens the store anew and compares it with what was acknowledged. */
async function verify (t, config, acknowledged) {
  const pod = Pod.start(t)
  const conn = await pod.invoke('datahike.pod/connect', config)
  const db = await pod.invoke('datahike.pod/db', conn)
  const numbers = async attribute => {
    const query = edn`[:find ?n :in $ ?a :where [_ ?a ?n]]`
    const answer = await pod.invoke('datahike.pod/q', query, db, attribute)
    return new Set(members(answer).map(([n]) => n))
  }
  const found = await numbers(edn`:n`)
  assert.deepEqual(await numbers(edn`:twin`), found)
  for (const n of acknowledged) assert.ok(found.has(n), `transaction ${n} is lost`)
  // One connection commits in order: what is there is a beginning of what was sent.
  assert.ok([...found].every(n => n < found.size))
  await pod.invoke('datahike.pod/transact', conn, edn`[{:n -1}]`)
  assert.equal((await pod.shutDown(END_MS)).code, 0)
}

for (const [how, end, code] of [
  ['the end of input', pod => pod.close(END_MS), 0],
  ['the end of input within a message', pod => {
    pod.sendBytes('d2:op')
    return pod.close(END_MS)
  }, 1],
  ['shutdown', pod => pod.shutDown(END_MS), 0],
  ['SIGTERM', pod => pod.kill('SIGTERM'), 0],
  ['SIGKILL', pod => pod.kill('SIGKILL'), null]
]) {
  for (const wait of [0, 1, 50]) {
    test(`${how} with transactions in flight, ${wait} acknowledged`, async t => {
      const config = file(t)
      const pod = Pod.start(t)
      const conn = await open(pod, config)
      const { acknowledged, calls } = transactMany(pod, conn, 300)
      await Promise.all(calls.slice(0, wait))
      assert.equal((await end(pod)).code, code)
      await Promise.all(calls)
      assert.ok(acknowledged.size >= wait)
      await verify(t, config, acknowledged)
    })
  }
}

test('the store is free again as soon as a pod has ended', async t => {
  const config = file(t)
  const first = Pod.start(t)
  await open(first, config)
  assert.equal((await first.shutDown(END_MS)).code, 0)
  await verify(t, config, new Set())
})

test('starting takes no store, and two pods may hold one', async t => {
  const config = file(t)
  const [one, two] = [Pod.start(t), Pod.start(t)]
  const first = await open(one, config)
  const second = await two.invoke('datahike.pod/connect', config)
  await one.invoke('datahike.pod/transact', first, edn`[{:n 0}]`)
  await two.invoke('datahike.pod/transact', second, edn`[{:n 1}]`)
  for (const [pod, conn] of [[one, first], [two, second]]) {
    await pod.invoke('datahike.pod/transact', conn, edn`[{:m 0}]`)
    const db = await pod.invoke('datahike.pod/db', conn)
    const count = edn`[:find (count ?n) . :where [_ :n ?n]]`
    assert.equal(await pod.invoke('datahike.pod/q', count, db), 2)
  }
})
