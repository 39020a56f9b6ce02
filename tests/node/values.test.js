import assert from 'node:assert/strict'
import { test } from 'node:test'

import transit from 'transit-js'

import { memory, open } from './database.js'
import { edn, key, members, show } from './forms.js'
import { Pod } from './pod.js'

const ECHO = edn`[:find ?x . :in ?x]`
const long = text => transit.integer(text)

/** Values that a database keeps. */
const SCALARS = {
  true: true,
  false: false,
  zero: 0,
  'the largest plain integer': Number.MAX_SAFE_INTEGER,
  'the first beyond it': long('9007199254740993'),
  'the largest long': long('9223372036854775807'),
  'the smallest long': long('-9223372036854775808'),
  'a bigint': transit.bigInt('123456789012345678901234567890'),
  'a decimal with its zeros': transit.bigDec('1.500'),
  'a large decimal': transit.bigDec('-98765432109876543210.0123456789'),
  'a double': -0.1,
  'a small double': 5e-324,
  'a large double': 1.7976931348623157e308,
  infinity: Infinity,
  'an empty text': '',
  'text of every width': 'aß€🙂\u0301 \uFEFF \u2028',
  'control characters': '\u0001\t\n\r"\\/\u007f',
  'text that transit escapes': '~:no ^0 `x',
  'a long text': 'läng '.repeat(50_000),
  'a keyword': key('a'),
  'a namespaced keyword': key('a.b/c?'),
  'a symbol': transit.symbol('a/b'),
  'an instant': new Date('2024-02-29T12:34:56.789Z'),
  'an instant before 1970': new Date(-1),
  'the first instant of year 1': new Date('0001-01-01T00:00:00Z'),
  'a uuid': transit.uuid('00112233-4455-6677-8899-aabbccddeeff')
}

/** Values that only pass through a query. */
const COLLECTIONS = {
  'not a number': NaN,
  bytes: new Uint8Array([0, 127, 128, 255]),
  'an empty vector': [],
  'a nested vector': edn`[1 [2 [nil true]] "x"]`,
  'an empty map': edn`{}`,
  'a map': edn`{:a 1 "b" :b 3 nil nil 4}`,
  'a map with composite keys': edn`{[1 2] {:x #{1}} {:k :v} []}`,
  'a set': edn`#{1 :a "a" nil [1]}`,
  'a set of sets': edn`#{#{} #{1} #{1 2}}`,
  'a list': edn`(1 :two "three")`,
  'a tag of which nobody knows': transit.tagged('point', [1, 2]),
  'a ratio': transit.tagged('ratio', [transit.bigInt('1'), transit.bigInt('3')])
}

test('a value that goes through a query comes back as it was', async t => {
  const pod = Pod.start(t)
  for (const [name, value] of Object.entries({ ...SCALARS, ...COLLECTIONS })) {
    for (const around of [value, [value], edn`{:x ${value}}`]) {
      const back = await pod.invoke('datahike.pod/q', edn`[:find [?x] :in [?x]]`, [around])
      assert.equal(show(back), show([around]), name)
    }
  }
})

test('a value that was stored comes back as it was', async t => {
  const pod = Pod.start(t)
  const conn = await open(pod, memory())
  for (const [index, [name, value]] of Object.entries(SCALARS).entries()) {
    await pod.invoke('datahike.pod/transact', conn, edn`[{:db/id ${index + 1} :value ${value}}]`)
    const db = await pod.invoke('datahike.pod/db', conn)
    const pulled = await pod.invoke('datahike.pod/pull', db, edn`[:value]`, index + 1)
    assert.equal(show(pulled), show(edn`{:value ${value}}`), name)
    const query = edn`[:find ?e . :in $ ?v :where [?e :value ?v]]`
    assert.equal(await pod.invoke('datahike.pod/q', query, db, value), index + 1, name)
  }
})

test('a double that is whole stays a double on the wire', async t => {
  const pod = Pod.start(t)
  const doubles = '[:find [?x ...] :where [(ground [1.0 -0.0 1e22]) [?x ...]]]'
  assert.equal(await pod.invokeRaw('datahike.pod/q', doubles), '[1.0,-0.0,1.0E22]')
  const product = '[:find ?x . :where [(ground 1.5) ?y] [(* 2 ?y) ?x]]'
  assert.equal(await pod.invokeRaw('datahike.pod/q', product), '["~#\'",3.0]')
})

test('more names than the key cache holds, both ways', async t => {
  const pod = Pod.start(t)
  const names = Array.from({ length: 5000 }, (_, n) => key(`a-name/number-${n}`))
  const twice = [...names, ...names]
  const map = transit.map(names.flatMap((name, n) => [name, n]))
  const back = await pod.invoke('datahike.pod/q', ECHO, [twice, map, twice])
  assert.ok(transit.equals(back, [twice, map, twice]))
  const seen = await pod.invoke('datahike.pod/q', edn`[:find ?x ?y :in [[?x ?y]]]`,
    names.map(name => [name, name]))
  assert.equal(members(seen).length, names.length)
  for (const [one, other] of members(seen)) assert.ok(transit.equals(one, other))
})

test('names, values and attributes in any script', async t => {
  const pod = Pod.start(t)
  const conn = await open(pod, memory())
  await pod.invoke('datahike.pod/transact', conn, edn`[{:имя "Ёлка" :größe/🙂 "大"}]`)
  const db = await pod.invoke('datahike.pod/db', conn)
  assert.equal(show(await pod.invoke('datahike.pod/pull', db, edn`[*]`, 1)),
    '{:db/id 1, :größe/🙂 "大", :имя "Ёлка"}')
})

test('a text of twenty million characters', async t => {
  const pod = Pod.start(t)
  const text = 'x'.repeat(20_000_000)
  assert.equal(await pod.invoke('datahike.pod/q', ECHO, text), text)
})
