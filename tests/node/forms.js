import transit from 'transit-js'

const CLOSING = { '(': ')', '[': ']', '{': '}', '#{': '}' }
const TOKEN = /[\s,]+|(#\{|[()[\]{}])|("(?:[^"\\]|\\.)*")|(#?[^\s,()[\]{}"]+)/gy

/**
 * Clojure data as a client would hold it, written as EDN: edn`[:find ?e :in $ ?n]`. What is put in
 * with `${}` is taken as it is.
 */
export function edn (strings, ...values) {
  const tokens = strings.raw.flatMap((text, index) => [
    ...tokenize(text), ...(index < values.length ? [{ value: values[index] }] : [])
  ])
  const form = read(tokens)
  if (tokens.length > 0) throw new Error(`more than one form: ${strings.raw.join('…')}`)
  return form
}

/** A keyword. */
export const key = name => transit.keyword(name)

/** A value as EDN text, with the members of sets and maps in the order of their texts. */
export function show (value) {
  if (value === null || value === undefined) return 'nil'
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Date) return `#inst "${value.toISOString()}"`
  if (ArrayBuffer.isView(value)) return `#bytes "${Buffer.from(value).toString('hex')}"`
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`
  if (transit.isUUID(value)) return `#uuid "${value}"`
  if (transit.isSet(value)) return `#{${members(value).map(show).sort().join(' ')}}`
  if (transit.isMap(value)) {
    return `{${pairs(value).map(pair => pair.map(show).join(' ')).sort().join(', ')}}`
  }
  if (transit.isList(value)) return `(${value.rep.map(show).join(' ')})`
  if (transit.isBigInt(value)) return `${value.rep}N`
  if (transit.isBigDec(value)) return `${value.rep}M`
  if (transit.isTaggedValue(value)) return `#${value.tag} ${show(value.rep)}`
  return String(value)
}

/** The members of a set. */
export function members (set) {
  const found = []
  set.forEach(member => found.push(member))
  return found
}

/** The pairs of a map. */
export function pairs (map) {
  const found = []
  map.forEach((value, key) => found.push([key, value]))
  return found
}

function tokenize (text) {
  const found = []
  for (const [, bracket, string, atom] of text.matchAll(TOKEN)) {
    if (bracket) found.push({ bracket })
    else if (string) found.push({ value: JSON.parse(string), text: true })
    else if (atom) found.push({ atom })
  }
  return found
}

function read (tokens) {
  const token = tokens.shift()
  if (token === undefined) throw new Error('the form ends early')
  if ('value' in token) return token.value
  if ('atom' in token) return atom(token.atom, tokens)
  const items = []
  while (tokens[0]?.bracket !== CLOSING[token.bracket]) items.push(read(tokens))
  tokens.shift()
  switch (token.bracket) {
    case '(': return transit.list(items)
    case '[': return items
    case '{': return transit.map(items)
    default: return transit.set(items)
  }
}

function atom (text, tokens) {
  if (text === 'nil') return null
  if (text === 'true' || text === 'false') return text === 'true'
  if (text === '#inst') return new Date(read(tokens))
  if (text === '#uuid') return transit.uuid(read(tokens))
  if (/^[-+]?\d+N$/.test(text)) return transit.bigInt(text.slice(0, -1))
  if (/^[-+]?[\d.]+M$/.test(text)) return transit.bigDec(text.slice(0, -1))
  if (/^[-+]?\d/.test(text)) return Number(text)
  return text.startsWith(':') ? transit.keyword(text.slice(1)) : transit.symbol(text)
}
