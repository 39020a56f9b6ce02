import assert from 'node:assert/strict'
import { test } from 'node:test'

import { FACES } from './database.js'
import { Pod, PodError } from './pod.js'

const VARS = `database-exists? create-database delete-database connect release db as-of since
  history db-with q pull pull-many entity datoms seek-datoms schema reverse-schema metrics transact
  release-db with-db`.split(/\s+/)

const names = namespace => namespace.vars.map(variable => variable.name)

test('describe names the format, both namespaces and the one op', async t => {
  const pod = Pod.start(t)
  const reply = await pod.describe()
  assert.equal(reply.format, 'transit+json')
  assert.deepEqual(reply.ops, { shutdown: {} })
  const [datalith, datahike] = reply.namespaces
  assert.deepEqual(reply.namespaces.map(namespace => namespace.name), FACES)
  assert.deepEqual(names(datahike).sort(), [...VARS].sort())
  for (const name of VARS) assert.ok(names(datalith).includes(name), name)
  assert.deepEqual(new Set(names(datalith)).size, datalith.vars.length)
})

test('every variable brings its documentation', async t => {
  const { namespaces } = await Pod.start(t).describe()
  for (const variable of namespaces.flatMap(namespace => namespace.vars)) {
    if (variable.code) assert.match(variable.code, /^\(def(n|macro) /, variable.name)
    else assert.match(variable.meta, /^\{:doc "[^]+" :arglists \(\[[^]*\]\)\}$/, variable.name)
  }
})

test('what may be false is made so by code in the client', async t => {
  const { namespaces: [datalith] } = await Pod.start(t).describe()
  const code = name => datalith.vars.find(variable => variable.name === name).code
  assert.match(code('database-exists?'), /\(boolean .*'pod\.datalith\/database-exists\? args/)
  assert.match(code('unlisten'), /boolean/)
  assert.match(code('q'), /q-boxed/)
})

test('describe may come twice, late or never', async t => {
  const pod = Pod.start(t)
  assert.equal(await pod.invoke('datahike.pod/q', '[:find ?x . :in ?x]', 5), 5)
  const { id: first, ...one } = await pod.describe()
  const { id: second, ...other } = await pod.describe()
  assert.notEqual(first, second)
  assert.deepEqual(one, other)
})

test('load-ns gives the variables of describe', async t => {
  const pod = Pod.start(t)
  const { namespaces } = await pod.describe()
  for (const { name, vars } of namespaces) {
    const loaded = await pod.send({ op: 'load-ns', ns: name }).next('load-ns')
    assert.deepEqual([loaded.name, loaded.vars, loaded.status], [name, vars, ['done']])
  }
  const unknown = await pod.send({ op: 'load-ns', ns: 'no.such' }).next('load-ns')
  assert.throws(() => pod.answer(unknown), /Namespace not found: no\.such/)
})

test('every variable answers when it is called with nothing', async t => {
  const pod = Pod.start(t)
  const { namespaces } = await pod.describe()
  for (const { name, vars } of namespaces) {
    for (const variable of vars) {
      // Of these every argument is optional; what they do is shown elsewhere.
      if (/database|^connect$/.test(variable.name)) continue
      await assert.rejects(pod.invoke(`${name}/${variable.name}`), PodError, variable.name)
    }
  }
  assert.equal(await pod.invoke('datahike.pod/database-exists?'), false)
})
