import { encodeUtf8, encodeUtf8Into } from './bytes.js'
import { isJsonArray, type Json, type JsonObject } from './json.js'

const QUOTE = 0x22
const BACKSLASH = 0x5c
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
const TEXT_CHARS_MAX = 8_192
/** Up to here a text is written sign by sign; beyond, encoding it as a whole is faster. */
const SHORT_CHARS_MAX = 24

/** A byte to write behind one backslash: above the low byte stands how many. */
const ESCAPED = 0x100
/** Only `JSON.stringify` knows what to write. */
const UNKNOWN = 0x200

/** What to write for each byte of a text in UTF-8. */
const WRITTEN = Uint16Array.from({ length: 256 }, (_, byte) => {
  if (byte === DOUBTFUL) return UNKNOWN
  if (byte > 0x7f) return byte
  const json = JSON.stringify(String.fromCharCode(byte)).slice(1, -1)
  if (json.length > 2) return UNKNOWN
  return json.length === 1 ? byte : ESCAPED | json.charCodeAt(1)
})

/**
 * Writes the text that `JSON.stringify` makes, as UTF-8, into one buffer that is used again and again: three times as
 * fast on an entry of a few hundred bytes, which is most of what an append does beside hashing, and without garbage.
 */
export class JsonWriter {
  #bytes = new Uint8Array(4096)
  #at = 0
  readonly #utf8 = new Uint8Array(TEXT_CHARS_MAX * UTF8_BYTES_MAX)

  /** @returns a view, good until the next call; its first `gap` bytes are whatever was there */
  write(gap: number, value: Json): Uint8Array {
    this.#at = 0
    this.#reserve(gap)
    this.#at = gap
    this.#value(value)
    return this.#bytes.subarray(0, this.#at)
  }

  /** Writes over what was written last. */
  forget(): void {
    this.#bytes.fill(0)
    this.#utf8.fill(0)
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
    if (text.length <= SHORT_CHARS_MAX && this.#shortText(text)) return
    if (text.length <= TEXT_CHARS_MAX && this.#encodedText(text)) return
    this.#verbatim(JSON.stringify(text))
  }

  /** Writes a text of plain ASCII; if it is none, nothing. */
  #shortText(text: string): boolean {
    this.#reserve(text.length + 2)
    const bytes = this.#bytes
    let at = this.#at
    bytes[at++] = QUOTE
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f || WRITTEN[code]! !== code) return false
      bytes[at++] = code
    }
    bytes[at++] = QUOTE
    this.#at = at
    return true
  }

  /** Writes a text; if that takes more than backslashes, nothing. */
  #encodedText(text: string): boolean {
    const utf8 = this.#utf8
    const length = encodeUtf8Into(text, utf8)
    this.#reserve(length * 2 + 2)
    const bytes = this.#bytes
    let at = this.#at
    let seen = 0
    bytes[at++] = QUOTE
    // Each byte comes behind a backslash that is kept only where it is due: no branch, so none that is guessed wrong.
    for (let i = 0; i < length; i++) {
      const written = WRITTEN[utf8[i]!]!
      seen |= written
      bytes[at] = BACKSLASH
      at += written >>> 8
      bytes[at++] = written
    }
    if ((seen & UNKNOWN) !== 0) return false
    bytes[at++] = QUOTE
    this.#at = at
    return true
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
