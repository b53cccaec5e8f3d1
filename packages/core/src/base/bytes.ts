const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const DIGITS = utf8Encoder.encode('0123456789abcdef')
const NIBBLE = new Uint8Array(128)
DIGITS.forEach((code, nibble) => {
  NIBBLE[code] = nibble
})

export const EMPTY_BYTES = new Uint8Array(0)

/** Used again for every hash. */
const hashDigits = new Uint8Array(64)

/** Decodes digits in one go: adding them up as strings takes twice the time, and leaves a piece for each behind. */
export function toHex(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const length = (end - start) * 2
  const digits = length === hashDigits.length ? hashDigits : new Uint8Array(length)
  for (let i = start, j = 0; i < end; i++) {
    digits[j++] = DIGITS[bytes[i]! >>> 4]!
    digits[j++] = DIGITS[bytes[i]! & 0xf]!
  }
  return utf8Decoder.decode(digits)
}

/** Writes `hex` (lower case, even length) into `target` at `offset`. */
export function writeHex(hex: string, target: Uint8Array, offset = 0): void {
  for (let i = 0, j = offset; i < hex.length; i += 2, j++) {
    target[j] = (NIBBLE[hex.charCodeAt(i)]! << 4) | NIBBLE[hex.charCodeAt(i + 1)]!
  }
}

export function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2)
  writeHex(hex, bytes)
  return bytes
}

/** Whether `bytes` go on with `part` at `offset`. */
export function hasBytesAt(part: Uint8Array, bytes: Uint8Array, offset: number): boolean {
  for (let i = 0, j = offset; i < part.length; i++, j++) if (bytes[j] !== part[i]) return false
  return true
}

/** Whether `bytes` at `offset` are what `hex` spells, without building a string. */
export function hexEquals(hex: string, bytes: Uint8Array, offset = 0): boolean {
  for (let i = 0, j = offset; i < hex.length; i += 2, j++) {
    if (bytes[j] !== ((NIBBLE[hex.charCodeAt(i)]! << 4) | NIBBLE[hex.charCodeAt(i + 1)]!)) return false
  }
  return true
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** By code unit, not by locale: the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

const LOOP_MAX = 64

/** As `target.set(source, at)`, which costs more than its work on a few bytes. */
export function copyBytes(source: Uint8Array, target: Uint8Array, at: number): void {
  if (source.length > LOOP_MAX) target.set(source, at)
  else for (let i = 0; i < source.length; i++) target[at + i] = source[i]!
}

export function encodeUtf8(text: string): Uint8Array {
  return utf8Encoder.encode(text)
}

/** Encodes as much as `target` holds; returns how many bytes that is. */
export function encodeUtf8Into(text: string, target: Uint8Array): number {
  return utf8Encoder.encodeInto(text, target).written
}

/** @throws TypeError on bytes that are not UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string {
  return utf8Decoder.decode(bytes)
}
