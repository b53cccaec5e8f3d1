import { encodeUtf8, encodeUtf8Into } from './bytes.js'
import { isJsonArray, type Json, type JsonObject } from './json.js'

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_MAP = 0x7b
const CLOSE_MAP = 0x7d
/** The first byte of U+FFFD, which stands in UTF-8 where a text had half a surrogate pair. */
const DOUBTFUL = 0xef
const UTF8_BYTES_MAX = 3
/** Longer texts are left to `JSON.stringify`, so that the buffers stay small. */
const TEXT_CHARS_MAX = 16_384
/** Up to here a text is written sign by sign; beyond, encoding it as a whole is faster. */
const SHORT_CHARS_MAX = 24

/** What `JSON.stringify` writes of each of the first 128 characters, where that is not the character itself. */
const ESCAPES = Array.from({ length: 128 }, (_, code) => {
  const text = JSON.stringify(String.fromCharCode(code)).slice(1, -1)
  return text.length === 1 ? undefined : encodeUtf8(text)
})
const IS_PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === DOUBTFUL || ESCAPES[byte] !== undefined ? 0 : 1,
)

/**
 * Writes the text that `JSON.stringify` makes, as UTF-8, into one buffer that is used again and again: three times as
 * fast on an entry of a few hundred bytes, most of what an append does beside hashing, and without garbage.
 */
export class JsonWriter {
  #bytes = new Uint8Array(4096)
  #at = 0

  /** @returns a view, good until the next call; its first `gap` bytes are whatever was there */
  write(gap: number, value: Json): Uint8Array {
    this.#at = 0
    this.#reserve(gap)
    this.#at = gap
    this.#value(value)
    return this.#bytes.subarray(0, this.#at)
  }

  #value(value: Json | undefined): void {
    if (typeof value === 'string') this.#text(value)
    else if (typeof value !== 'object' || value === null) this.#verbatim(JSON.stringify(value ?? null))
    else if (isJsonArray(value)) this.#list(value)
    else this.#map(value)
  }

  #list(items: readonly Json[]): void {
    this.#byte(OPEN_LIST)
    for (let i = 0; i < items.length; i++) {
      if (i > 0) this.#byte(COMMA)
      this.#value(items[i])
    }
    this.#byte(CLOSE_LIST)
  }

  #map(map: JsonObject): void {
    this.#byte(OPEN_MAP)
    let isFirst = true
    for (const key of Object.keys(map)) {
      const value = map[key]
      if (value === undefined) continue
      if (!isFirst) this.#byte(COMMA)
      isFirst = false
      this.#text(key)
      this.#byte(COLON)
      this.#value(value)
    }
    this.#byte(CLOSE_MAP)
  }

  #text(text: string): void {
    if (text.length > TEXT_CHARS_MAX) this.#verbatim(JSON.stringify(text))
    else if (text.length > SHORT_CHARS_MAX || !this.#shortText(text)) this.#anyText(text)
  }

  /** Writes a text of plain ASCII; if it is none, nothing. */
  #shortText(text: string): boolean {
    this.#reserve(text.length + 2)
    const bytes = this.#bytes
    let at = this.#at
    bytes[at++] = QUOTE
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f || IS_PLAIN[code] === 0) return false
      bytes[at++] = code
    }
    bytes[at++] = QUOTE
    this.#at = at
    return true
  }

  /** Encodes in place, and looks afterwards whether some of it must be written in another way. */
  #anyText(text: string): void {
    this.#reserve(text.length * UTF8_BYTES_MAX + 2)
    const start = this.#at + 1
    const end = start + encodeUtf8Into(text, this.#bytes.subarray(start))
    const extra = this.#extraBytes(start, end)
    if (extra < 0) {
      this.#verbatim(JSON.stringify(text))
      return
    }
    if (extra > 0) this.#escape(start, end, extra)
    this.#bytes[this.#at] = QUOTE
    this.#bytes[end + extra] = QUOTE
    this.#at = end + extra + 1
  }

  /** How much longer the bytes become by escaping; negative when that cannot be told from them. */
  #extraBytes(start: number, end: number): number {
    const bytes = this.#bytes
    let extra = 0
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!
      if (IS_PLAIN[byte] === 1) continue
      if (byte === DOUBTFUL) return -1
      extra += ESCAPES[byte]!.length - 1
    }
    return extra
  }

  /** Spreads the bytes out from their end, until what is left of them stands where it should. */
  #escape(start: number, end: number, extra: number): void {
    this.#at = end
    this.#reserve(extra + 2)
    this.#at = start - 1
    const bytes = this.#bytes
    let to = end + extra - 1
    for (let from = end - 1; from !== to; from--) {
      const byte = bytes[from]!
      if (IS_PLAIN[byte] === 1) {
        bytes[to--] = byte
        continue
      }
      const escaped = ESCAPES[byte]!
      for (let i = escaped.length - 1; i >= 0; i--) bytes[to--] = escaped[i]!
    }
  }

  #verbatim(json: string): void {
    const utf8 = encodeUtf8(json)
    this.#reserve(utf8.length)
    this.#bytes.set(utf8, this.#at)
    this.#at += utf8.length
  }

  #byte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#at++] = byte
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + length))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = grown
  }
}
