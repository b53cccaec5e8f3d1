import { encodeUtf8, writeHex } from './bytes.js'

const BUFFER_BYTES = 256
const BUFFER_BYTES_KEPT_MAX = 65_536

/**
 * Appends bytes to a buffer that grows: of an Automerge chunk, numbers as LEB128 and texts behind their length. To be used
 * again and again: a new buffer costs more than what most changes write.
 */
export class ByteSink {
  #bytes = new Uint8Array(BUFFER_BYTES)
  length = 0

  /** Begins anew. */
  reset(): this {
    this.length = 0
    if (this.#bytes.length > BUFFER_BYTES_KEPT_MAX) this.#bytes = new Uint8Array(BUFFER_BYTES)
    return this
  }

  /** Writes over what was written last. */
  forget(): void {
    this.#bytes.fill(0)
  }

  /** A view, good until the next call of anything else. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }

  byte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.length++] = byte
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  hex(hex: string): void {
    const bytes = hex.length / 2
    this.#reserve(bytes)
    writeHex(hex, this.#bytes, this.length)
    this.length += bytes
  }

  /** Unsigned LEB128. */
  uleb(value: number): void {
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80)
    this.byte(rest)
  }

  /** Signed LEB128, of any safe integer. */
  leb(value: number): void {
    let rest = value
    for (; rest < -0x40 || rest > 0x3f; rest = Math.floor(rest / 0x80)) this.byte(lowBits(rest) | 0x80)
    this.byte(lowBits(rest))
  }

  text(text: string): void {
    const utf8 = encodeUtf8(text)
    this.uleb(utf8.length)
    this.raw(utf8)
  }

  f64(value: number): void {
    this.#reserve(8)
    const { buffer } = this.#bytes
    new DataView(buffer).setFloat64(this.length, value, true)
    this.length += 8
  }

  #reserve(length: number): void {
    if (this.length + length <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + length))
    grown.set(this.written())
    this.#bytes = grown
  }
}

/** The low seven bits of an integer in two's complement, of however many bits. */
function lowBits(value: number): number {
  return value - Math.floor(value / 0x80) * 0x80
}
