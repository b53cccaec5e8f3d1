import { decodeUtf8, encodeUtf8 } from './bytes.js'

/**
 * Reading and writing the few CBOR shapes of a change's frame (RFC 8949, deterministic: shortest heads, definite
 * lengths). A general decoder builds maps and copies; the graph needs neither, and reads a header millions of times.
 */
const MAJOR_UINT = 0x00
const MAJOR_BYTES = 0x40
const MAJOR_TEXT = 0x60
const MAJOR_ARRAY = 0x80
const NULL = 0xf6
const UINT53_MAX = Number.MAX_SAFE_INTEGER

export class CborReader {
  at = 0

  constructor(readonly bytes: Uint8Array) {}

  get rest(): Uint8Array {
    return this.bytes.subarray(this.at)
  }

  uint(): number {
    return this.#head(MAJOR_UINT, 'an unsigned integer')
  }

  array(length_max: number): number {
    const length = this.#head(MAJOR_ARRAY, 'an array')
    if (length > length_max) throw new RangeError(`array of ${length} items where ${length_max} are allowed`)
    return length
  }

  /** A view into the input, not a copy. */
  byteString(): Uint8Array {
    return this.#take(this.#head(MAJOR_BYTES, 'a byte string'))
  }

  byteStringOrNull(): Uint8Array | null {
    if (this.bytes[this.at] !== NULL) return this.byteString()
    this.at++
    return null
  }

  text(bytes_max: number): string {
    const length = this.#head(MAJOR_TEXT, 'a text string')
    if (length > bytes_max) throw new RangeError(`text of ${length} bytes where ${bytes_max} are allowed`)
    const start = this.at
    const bytes = this.#take(length)
    let ascii = ''
    for (let i = start; i < this.at; i++) {
      const code = this.bytes[i]!
      if (code > 0x7f) return decodeUtf8(bytes)
      ascii += String.fromCharCode(code)
    }
    return ascii
  }

  textOrNull(bytes_max: number): string | null {
    if (this.bytes[this.at] !== NULL) return this.text(bytes_max)
    this.at++
    return null
  }

  uintOrNull(): number | null {
    if (this.bytes[this.at] !== NULL) return this.uint()
    this.at++
    return null
  }

  end(): void {
    if (this.at !== this.bytes.length) throw new RangeError(`${this.bytes.length - this.at} bytes follow the end`)
  }

  #take(length: number): Uint8Array {
    const end = this.at + length
    if (end > this.bytes.length) throw new RangeError(`${length} bytes announced, ${this.bytes.length - this.at} left`)
    const view = this.bytes.subarray(this.at, end)
    this.at = end
    return view
  }

  #head(major: number, expected: string): number {
    const byte = this.bytes[this.at]
    if (byte === undefined) throw new RangeError(`ends where ${expected} should begin`)
    if ((byte & 0xe0) !== major) throw new RangeError(`byte ${this.at} does not begin ${expected}`)
    this.at++
    const info = byte & 0x1f
    if (info < 24) return info
    const width = info === 24 ? 1 : info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : 0
    if (width === 0 || this.at + width > this.bytes.length) throw new RangeError(`broken head of ${expected}`)
    let value = 0
    for (let i = 0; i < width; i++) value = value * 256 + this.bytes[this.at++]!
    const shortest = width === 1 ? value >= 24 : value >= 2 ** (width * 4)
    if (!shortest || value > UINT53_MAX) throw new RangeError(`${expected} with a head that is not the shortest`)
    return value
  }
}

/** Appends to one growing buffer; `finish()` copies out what was written. */
export class CborWriter {
  #bytes = new Uint8Array(4096)
  #at = 0

  uint(value: number): this {
    return this.#head(MAJOR_UINT, value)
  }

  array(length: number): this {
    return this.#head(MAJOR_ARRAY, length)
  }

  byteString(bytes: Uint8Array): this {
    this.#head(MAJOR_BYTES, bytes.length)
    return this.raw(bytes)
  }

  byteStringOrNull(bytes: Uint8Array | null): this {
    return bytes === null ? this.null() : this.byteString(bytes)
  }

  text(text: string): this {
    const start = this.#at
    if (text.length < 24) {
      // Ids are short ASCII: written in place, and again in the general way if that proves wrong.
      this.#reserve(1 + text.length)
      this.#bytes[this.#at++] = MAJOR_TEXT | text.length
      let i = 0
      for (; i < text.length; i++) {
        const code = text.charCodeAt(i)
        if (code > 0x7f) break
        this.#bytes[this.#at++] = code
      }
      if (i === text.length) return this
      this.#at = start
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
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
    return this
  }

  /** The bytes written since the last `finish()`. */
  finish(): Uint8Array {
    const written = this.#bytes.slice(0, this.#at)
    this.#at = 0
    return written
  }

  #head(major: number, value: number): this {
    this.#reserve(9)
    const bytes = this.#bytes
    if (value < 24) {
      bytes[this.#at++] = major | value
      return this
    }
    const width = value < 0x100 ? 1 : value < 0x10000 ? 2 : value < 0x100000000 ? 4 : 8
    bytes[this.#at++] = major | (width === 1 ? 24 : width === 2 ? 25 : width === 4 ? 26 : 27)
    let rest = value
    for (let i = this.#at + width - 1; i >= this.#at; i--) {
      bytes[i] = rest % 256
      rest = Math.floor(rest / 256)
    }
    this.#at += width
    return this
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + length))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = grown
  }
}
