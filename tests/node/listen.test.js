import assert from 'node:assert/strict'
import { test } from 'node:test'

import { memory, open } from './database.js'
import { edn, key, show } from './forms.js'
import { Pod } from './pod.js'

/** A connection, and listeners on it. */
async function listening (t) {
  const pod = Pod.start(t)
  const config = memory()
  const conn = await open(pod, config, 'pod.datalith')
  const listen = async name => {
    const replies = pod.call('pod.datalith/listen', [conn, key(name)])
    const first = await replies.next('key of a listener')
    assert.equal(show(pod.answer(first)), `:${name}`)
    assert.deepEqual(first.status, [])
    return replies
  }
  const transact = n => pod.invoke('pod.datalith/transact', conn, edn`[{:n ${n}}]`)
  const unlisten = name => pod.invoke('pod.datalith/unlisten', conn, key(name))
  const hear = async replies => show(pod.answer(await replies.next('report')))
  return { pod, config, conn, listen, transact, unlisten, hear }
}

test('a listener hears every report in order, until it is ended', async t => {
  const { listen, transact, unlisten } = await listening(t)
  const ear = await listen('ear')
  const reports = await Promise.all(Array.from({ length: 200 }, (_, n) => transact(n)))
  for (const report of reports) {
    const heard = await ear.next('report')
    assert.deepEqual(heard.status, [])
    assert.ok(heard.value.includes('"~:tx-data"') && heard.value.includes('"~:tx-meta"'))
    assert.match(heard.value, new RegExp(String(report.get(key('db-after')).get(key('max-tx')))))
  }
  assert.equal(await unlisten('ear'), true)
  const end = await ear.next('end of a listener')
  assert.deepEqual([end.status, end.value], [['done'], undefined])
  await transact(200)
  assert.equal(await unlisten('ear'), false)
})

test('a report that is heard is the report that transact gives', async t => {
  const { listen, transact, hear } = await listening(t)
  const ear = await listen('ear')
  const report = await transact(1)
  assert.equal(await hear(ear), show(report))
})

test('several listeners, other handles, and a key used again', async t => {
  const { pod, config, listen, hear, unlisten } = await listening(t)
  const [one, two] = [await listen('one'), await listen('two')]
  const other = await pod.invoke('datahike.pod/connect', config)
  await pod.invoke('datahike.pod/transact', other, edn`[{:n 1}]`)
  assert.equal(await hear(one), await hear(two))
  const again = await listen('one')
  assert.deepEqual((await one.next('end of the first')).status, ['done'])
  await pod.invoke('datahike.pod/transact', other, edn`[{:n 2}]`)
  assert.equal(await hear(again), await hear(two))
  assert.equal(await unlisten('two'), true)
})

test('releasing the connection ends its listeners', async t => {
  const { pod, conn, listen } = await listening(t)
  const ears = [await listen('one'), await listen('two')]
  await pod.invoke('pod.datalith/release', conn)
  for (const ear of ears) assert.deepEqual((await ear.next('end of a listener')).status, ['done'])
  const deaf = pod.invoke('pod.datalith/listen', conn, key('x'))
  await assert.rejects(deaf, { key: ':pod/connection-not-found' })
})

test('a failed transaction is not heard, and an imagined one neither', async t => {
  const { pod, conn, listen, transact, hear } = await listening(t)
  const ear = await listen('ear')
  await assert.rejects(pod.invoke('pod.datalith/transact', conn, edn`[[:db/add 1]]`))
  const db = await pod.invoke('pod.datalith/db', conn)
  await pod.invoke('pod.datalith/with', db, edn`[{:n 1}]`)
  await transact(77)
  assert.match(await hear(ear), /:n 77 /)
})

test('listeners do not keep the pod from ending', async t => {
  const { pod, listen } = await listening(t)
  await listen('ear')
  assert.equal((await pod.shutDown()).code, 0)
})
