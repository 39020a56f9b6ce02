import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import bencode from 'bencode'
import transit from 'transit-js'

import { Frames } from './frames.js'

const BINARY = process.env.DATALITH_POD ??
  fileURLToPath(new URL('../../target/debug/datalith', import.meta.url))
/** How long any answer may take, in milliseconds. */
export const DEADLINE_MS = 30_000
/** Largest message that is encoded again to see that it was in canonical form, in bytes. */
const CANONICAL_BYTES = 64 * 1024

/** A call that the pod refused. */
export class PodError extends Error {
  /** `data` is the decoded `ex-data`. */
  constructor (message, data) {
    super(message)
    this.data = data
  }

  /** What stands under `:error`, or under `:type` where Datahike says it there; as text. */
  get key () {
    const [error, type] = ['error', 'type'].map(name => this.data.get(transit.keyword(name)))
    return String(error ?? type)
  }
}

/** Fails with `what` if the promise is not settled in time. */
export function within (promise, what, limitMs = DEADLINE_MS) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${limitMs} ms`)), limitMs)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** The messages of one id: the answers so far, and whoever waits for the next. */
class Replies {
  #messages = []
  #waiting = []
  #failure = null
  ended = false

  put (message) {
    this.ended = message.status.includes('done')
    const waiter = this.#waiting.shift()
    if (waiter) waiter.resolve(message)
    else this.#messages.push(message)
  }

  fail (error) {
    this.#failure = error
    this.#waiting.splice(0).forEach(waiter => waiter.reject(error))
  }

  /** The next message of this id. */
  next (what, limitMs) {
    if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift())
    if (this.#failure) return Promise.reject(this.#failure)
    const { promise, ...waiter } = deferred()
    this.#waiting.push(waiter)
    return within(promise, what, limitMs)
  }
}

/**
 * A running pod and its client. Checks on every message what a client relies on: one canonical
 * dictionary, an id that was asked, nothing after the end, `ex-data` that is a map.
 */
export class Pod {
  #child
  #replies = new Map()
  #count = 0
  #reader = transit.reader('json')
  #writer = transit.writer('json')
  #frames = new Frames(frame => this.#receive(frame))
  /** What the pod wrote to stderr. */
  stderr = ''
  /** The ids in the order in which their calls ended. */
  ended = []
  /** Resolves to `{code, signal}` when the process has ended and its output is read. */
  exit

  /** Starts a pod that lives no longer than the test `t`. */
  static start (t, environment = {}) {
    if (!existsSync(BINARY)) throw new Error(`no pod at ${BINARY}: cargo build -p datalith`)
    const pod = new Pod(environment)
    t.after(() => pod.kill())
    return pod
  }

  constructor (environment) {
    const env = { ...process.env, BABASHKA_POD: 'true', ...environment }
    this.#child = spawn(BINARY, [], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    const { stdin, stdout, stderr } = this.#child
    // The pod may end before it has read everything; that shows in its answers.
    stdin.on('error', () => {})
    stderr.setEncoding('utf8').on('data', text => { this.stderr += text })
    stdout.on('data', chunk => {
      try {
        this.#frames.push(chunk)
      } catch (error) {
        this.#break(error)
      }
    })
    const { promise, resolve, reject } = deferred()
    this.#child.on('error', reject)
    this.#child.on('close', (code, signal) => {
      this.#failAll(new Error(`the pod quit (${code ?? signal}) ${this.stderr}`))
      resolve({ code, signal, whole: this.#frames.atBoundary })
    })
    this.exit = promise
  }

  /** The process id. */
  get pid () {
    return this.#child.pid
  }

  /** How many calls have no end yet. */
  get unanswered () {
    return [...this.#replies.values()].filter(replies => !replies.ended).length
  }

  /** Sends bytes as they are. */
  sendBytes (bytes) {
    this.#child.stdin.write(bytes)
  }

  /** Sends a message under an id; gives its replies. */
  send (message, id = `call-${this.#count++}`) {
    const replies = this.expect(id)
    this.sendBytes(Buffer.from(bencode.encode({ id, ...message })))
    return replies
  }

  /** The replies to come under an id. */
  expect (id) {
    const replies = new Replies()
    this.#replies.set(id, replies)
    return replies
  }

  /** A message that calls a variable; no `args` at all are nil, as Babashka sends it. */
  message (name, args) {
    const list = args.length === 0 ? null : transit.list(args)
    return { op: 'invoke', var: name, args: this.#writer.write(list) }
  }

  /** Calls a variable; gives the replies as they come. */
  call (name, args, id) {
    return this.send(this.message(name, args), id)
  }

  /** Calls a variable and gives its answer. */
  async invoke (name, ...args) {
    return this.answer(await this.call(name, args).next(`answer of ${name}`))
  }

  /** The payload of the answer, undecoded. */
  async invokeRaw (name, ...args) {
    return (await this.call(name, args).next(`answer of ${name}`)).value
  }

  /** The decoded value of a reply; throws what the pod refused. */
  answer (reply) {
    if (reply.status.includes('error')) {
      throw new PodError(reply['ex-message'], this.#reader.read(reply['ex-data']))
    }
    return reply.value === undefined ? undefined : this.#reader.read(reply.value)
  }

  /** The reply to `describe`. */
  describe () {
    return this.send({ op: 'describe' }).next('describe')
  }

  /** Stops reading, as a client that is busy. */
  pause () {
    this.#child.stdout.pause()
  }

  /** Reads on. */
  resume () {
    this.#child.stdout.resume()
  }

  /** Ends the input; gives how the process ended. */
  close (limitMs) {
    this.#child.stdin.end()
    return within(this.exit, 'end after the end of input', limitMs)
  }

  /** Asks the pod to end; gives how the process ended. */
  shutDown (limitMs) {
    this.sendBytes(Buffer.from(bencode.encode({ id: 'bye', op: 'shutdown' })))
    return within(this.exit, 'end after shutdown', limitMs)
  }

  /** Ends the process by a signal; gives how it ended. */
  kill (signal = 'SIGKILL') {
    this.#child.kill(signal)
    return within(this.exit, `end after ${signal}`)
  }

  #receive (frame) {
    const reply = texts(bencode.decode(frame))
    if (frame.length <= CANONICAL_BYTES && !frame.equals(bencode.encode(reply))) {
      throw new Error(`not canonical: ${frame}`)
    }
    const replies = this.#replies.get(reply.id)
    if (!replies) throw new Error(`an id that nobody asked for: ${frame}`)
    if (replies.ended) throw new Error(`a message after the end: ${frame}`)
    reply.status ??= []
    if (reply.status.includes('error')) {
      if (typeof reply['ex-message'] !== 'string') throw new Error(`no ex-message: ${frame}`)
      if (!transit.isMap(this.#reader.read(reply['ex-data']))) throw new Error(`no map: ${frame}`)
    }
    replies.put(reply)
    if (replies.ended) this.ended.push(reply.id)
  }

  #break (error) {
    this.#failAll(error)
    this.#child.kill('SIGKILL')
  }

  #failAll (error) {
    for (const replies of this.#replies.values()) replies.fail(error)
  }
}

/** A promise and what settles it. */
function deferred () {
  let settle
  const promise = new Promise((resolve, reject) => { settle = { resolve, reject } })
  return { promise, ...settle }
}

/** Byte strings as text, all the way down. */
function texts (value) {
  if (ArrayBuffer.isView(value)) return Buffer.from(value).toString('utf8')
  if (Array.isArray(value)) return value.map(texts)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, texts(item)]))
}
