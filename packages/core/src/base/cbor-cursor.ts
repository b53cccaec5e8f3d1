import { copyBytes, decodeUtf8, EMPTY_BYTES, encodeUtf8, fromHex } from './bytes.js'
import { HASH_BYTES } from './hash.js'
import { checkId } from './ids.js'
import type { Hash } from './ports.js'

/**
 * Reading and writing the few CBOR shapes of a change's frame (RFC 8949, deterministic: shortest heads, definite
 * lengths) in place. A general decoder builds maps and copies; the graph needs neither, and a merge reads thousands of
 * headers at a time, where every object that survives costs more than the reading.
 */
const MAJOR_UINT = 0x00
const MAJOR_BYTES = 0x40
const MAJOR_TEXT = 0x60
const MAJOR_ARRAY = 0x80
const MAJOR_MAP = 0xa0
const NULL = 0xf6
/** The least number that needs a head of so many bytes. */
const LEAST_OF_WIDTH = [0, 24, 0x100, 0, 0x10000, 0, 0, 0, 0x100000000]
export const ABSENT = -1

export class CborReader {
  bytes: Uint8Array = EMPTY_BYTES
  at = 0
  end = 0

  /** Turns to `bytes` from `at` up to `end`. */
  reset(bytes: Uint8Array, at: number, end: number): this {
    this.bytes = bytes
    this.at = at
    this.end = end
    return this
  }

  uint(): number {
    return this.#head(MAJOR_UINT, 'an unsigned integer')
  }

  array(length_max: number): number {
    const length = this.#head(MAJOR_ARRAY, 'an array')
    if (length > length_max) throw new RangeError(`array of ${length} items where ${length_max} are allowed`)
    return length
  }

  /** Passes over a byte string; returns where its content starts. It ends at `this.at`. */
  byteString(): number {
    const length = this.#head(MAJOR_BYTES, 'a byte string')
    this.#skip(length)
    return this.at - length
  }

  /** As `byteString`, or `ABSENT` for null. */
  byteStringOrNull(): number {
    return this.#isNull() ? ABSENT : this.byteString()
  }

  text(bytes_max: number): string {
    const length = this.#head(MAJOR_TEXT, 'a text string')
    if (length > bytes_max) throw new RangeError(`text of ${length} bytes where ${bytes_max} are allowed`)
    this.#skip(length)
    return decodeUtf8(this.bytes.subarray(this.at - length, this.at))
  }

  textOrNull(bytes_max: number): string | null {
    return this.#isNull() ? null : this.text(bytes_max)
  }

  uintOrNull(): number | null {
    return this.#isNull() ? null : this.uint()
  }

  /** An id: checked when it is new, shared when it was seen lately. */
  id(role: 'branch' | 'agent' | 'kind'): string {
    const length = this.#head(MAJOR_TEXT, 'an id')
    this.#skip(length)
    const { bytes } = this
    const start = this.at - length
    const slot = (length * 31 + (bytes[start] ?? 0) * 7 + (bytes[this.at - 1] ?? 0)) % RECENT_IDS
    const recent = recentIds[slot]
    if (recent !== undefined && recent.bytes.length === length) {
      let i = 0
      while (i < length && recent.bytes[i] === bytes[start + i]) i++
      if (i === length) return recent.id
    }
    const own = bytes.slice(start, this.at)
    const id = checkId(role, decodeUtf8(own))
    recentIds[slot] = { id, bytes: own }
    return id
  }

  finish(): void {
    if (this.at !== this.end) throw new RangeError(`${this.end - this.at} bytes follow the end`)
  }

  #isNull(): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== NULL) return false
    this.at++
    return true
  }

  #skip(length: number): void {
    if (this.at + length > this.end)
      throw new RangeError(`${length} bytes announced, ${this.end - this.at} left`)
    this.at += length
  }

  #head(major: number, expected: string): number {
    if (this.at >= this.end) throw new RangeError(`ends where ${expected} should begin`)
    const byte = this.bytes[this.at]!
    if ((byte & 0xe0) !== major) throw new RangeError(`no ${expected} where one is due`)
    this.at++
    const info = byte & 0x1f
    return info < 24 ? info : this.#longHead(info, expected)
  }

  #longHead(info: number, expected: string): number {
    const width = info > 27 ? 0 : 1 << (info - 24)
    if (width === 0 || this.at + width > this.end) throw new RangeError(`broken head of ${expected}`)
    const value = width === 8 ? this.#bits(4) * 2 ** 32 + this.#bits(4) : this.#bits(width)
    if (value < LEAST_OF_WIDTH[width]! || value > Number.MAX_SAFE_INTEGER)
      throw new RangeError(`${expected} is not in its shortest form`)
    return value
  }

  /** A big-endian number of up to four bytes. */
  #bits(width: number): number {
    let bits = 0
    for (let i = 0; i < width; i++) bits = (bits << 8) | this.bytes[this.at++]!
    return bits >>> 0
  }
}

/** Workers repeat a handful of branch, agent and kind names; sharing the strings halves what a header keeps alive. */
const RECENT_IDS = 256
const recentIds: ({ readonly id: string; readonly bytes: Uint8Array } | undefined)[] = []

/** Of a writer's first buffer, and the most that lies ready: there may be thousands of writers that write little. */
const BUFFER_BYTES_MIN = 1_024
const BUFFER_BYTES_MAX = 65_536
/** What most headers take to say how long they are: they have 24 to 255 bytes. */
const LENGTH_GUESSED = 2

/** Bytes in which CBOR says a number, or a length. */
function headWidth(value: number): number {
  if (value < 24) return 1
  return value < 0x100 ? 2 : value < 0x10000 ? 3 : value < 0x100000000 ? 5 : 9
}

/** Appends to a buffer, which grows. */
export class CborWriter {
  #bytes = EMPTY_BYTES
  #start = 0
  #at = 0
  /** An actor writes many changes in a row. */
  #lastHex = ''
  #lastHexBytes: Uint8Array = EMPTY_BYTES

  /** Begins anew, over what was written and not taken. */
  reset(): this {
    this.#at = this.#start
    return this
  }

  /** A view of what was written, good until the next write. */
  written(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#at)
  }

  /** As `written`, for good: nothing is written there again. Cheaper than a copy, and than a buffer of its own. */
  take(): Uint8Array {
    const taken = this.written()
    this.#start = this.#at
    return taken
  }

  get length(): number {
    return this.#at - this.#start
  }

  uint(value: number): this {
    return this.#head(MAJOR_UINT, value)
  }

  array(length: number): this {
    return this.#head(MAJOR_ARRAY, length)
  }

  /** Begins a map of so many pairs: what is written next is each key and its value. */
  map(size: number): this {
    return this.#head(MAJOR_MAP, size)
  }

  byteString(bytes: Uint8Array): this {
    this.#head(MAJOR_BYTES, bytes.length)
    return this.raw(bytes)
  }

  /** Begins a byte string that is written in place; `close` it with what this returns. */
  open(): number {
    this.#reserve(LENGTH_GUESSED)
    this.#at += LENGTH_GUESSED
    return this.#at - this.#start
  }

  /** Ends it. @returns its length */
  close(opened: number): number {
    const length = this.length - opened
    const width = headWidth(length)
    this.#reserve(width)
    const at = this.#start + opened - LENGTH_GUESSED
    if (width !== LENGTH_GUESSED) this.#bytes.copyWithin(at + width, at + LENGTH_GUESSED, this.#at)
    this.#at = at
    this.#head(MAJOR_BYTES, length)
    this.#at += length
    return length
  }

  byteStringOrNull(bytes: Uint8Array | null): this {
    return bytes === null ? this.null() : this.byteString(bytes)
  }

  text(text: string): this {
    const { length } = this
    if (text.length < 24) {
      // Ids are short ASCII: written in place; if that proves wrong, again in the general way, in another buffer maybe.
      this.#reserve(1 + text.length)
      this.#bytes[this.#at++] = MAJOR_TEXT | text.length
      let i = 0
      for (; i < text.length; i++) {
        const code = text.charCodeAt(i)
        if (code > 0x7f) break
        this.#bytes[this.#at++] = code
      }
      if (i === text.length) return this
      this.#at = this.#start + length
    }
    const utf8 = encodeUtf8(text)
    this.#head(MAJOR_TEXT, utf8.length)
    return this.raw(utf8)
  }

  null(): this {
    this.#reserve(1)
    this.#bytes[this.#at++] = NULL
    return this
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    copyBytes(bytes, this.#bytes, this.#at)
    this.#at += bytes.length
    return this
  }

  /** The SHA-256 of `part` as a byte string, or null where there is no part. */
  hashOrNull(hash: Hash, part: Uint8Array | null): this {
    if (part === null) return this.null()
    this.#head(MAJOR_BYTES, HASH_BYTES)
    this.#reserve(HASH_BYTES)
    hash(part, this.#bytes, this.#at)
    this.#at += HASH_BYTES
    return this
  }

  /** A byte string given as lower-case hex. */
  hex(hex: string): this {
    if (hex !== this.#lastHex) {
      this.#lastHex = hex
      this.#lastHexBytes = fromHex(hex)
    }
    return this.byteString(this.#lastHexBytes)
  }

  #head(major: number, value: number): this {
    this.#reserve(9)
    const bytes = this.#bytes
    if (value < 24) {
      bytes[this.#at++] = major | value
      return this
    }
    const width = headWidth(value) - 1
    bytes[this.#at++] = major | (width === 1 ? 24 : width === 2 ? 25 : width === 4 ? 26 : 27)
    if (width === 8) this.#bits(Math.floor(value / 2 ** 32), 4)
    return this.#bits(value, Math.min(width, 4))
  }

  /** The low bytes of a number, big-endian. */
  #bits(value: number, width: number): this {
    for (let shift = (width - 1) * 8; shift >= 0; shift -= 8) this.#bytes[this.#at++] = value >>> shift
    return this
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return
    const ready = Math.min(Math.max(this.#bytes.length * 2, BUFFER_BYTES_MIN), BUFFER_BYTES_MAX)
    const grown = new Uint8Array(this.length + length + ready)
    grown.set(this.written())
    ;[this.#start, this.#at] = [0, this.length]
    this.#bytes = grown
  }
}
