/**
 * Cuts a stream of bytes into bencoded dictionaries. Only finds their ends; reading them is the
 * business of the package `bencode`, which cannot tell an item that is still arriving.
 */
export class Frames {
  #depth = 0
  #skip = 0
  #length = ''
  #inInteger = false
  #held = []
  #onFrame

  /** `onFrame` gets each whole item as a Buffer. */
  constructor (onFrame) {
    this.#onFrame = onFrame
  }

  /** Whether the stream stands between two items. */
  get atBoundary () {
    return this.#held.length === 0 && this.#depth === 0
  }

  /** Takes what has arrived; throws at the first byte that is no part of a dictionary. */
  push (chunk) {
    let start = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at)
        this.#skip -= step
        at += step
        continue
      }
      const closed = this.#step(String.fromCharCode(chunk[at]))
      at += 1
      if (closed) {
        const frame = Buffer.concat([...this.#held, chunk.subarray(start, at)])
        this.#held = []
        start = at
        this.#onFrame(frame)
      }
    }
    if (start < chunk.length) this.#held.push(chunk.subarray(start))
  }

  /** Takes one byte outside of a string; whether it ends the outermost dictionary. */
  #step (byte) {
    if (this.#inInteger) {
      this.#inInteger = byte !== 'e'
    } else if (byte >= '0' && byte <= '9' && this.#depth > 0) {
      this.#length += byte
    } else if (byte === ':' && this.#length !== '') {
      this.#skip = Number(this.#length)
      this.#length = ''
    } else if (byte === 'd' || (this.#depth > 0 && byte === 'l')) {
      this.#depth += 1
    } else if (this.#depth > 0 && byte === 'i') {
      this.#inInteger = true
    } else if (this.#depth > 0 && byte === 'e') {
      this.#depth -= 1
      return this.#depth === 0
    } else {
      throw new Error(`a stray byte on stdout: ${JSON.stringify(byte)}`)
    }
    return false
  }
}
