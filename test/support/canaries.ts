/*
 * Bytes that a tenant writes wherever it can, and the search for those of others. A canary is an id (TEN-3), so that it
 * can stand in names too; its number says whose it is, however it was encoded on the way.
 */

const MARK = 'Canary7x'
const DIGITS = 3
const CANARY = new RegExp(`${MARK}(\\d{${DIGITS}})z`, 'g')

/** @param tenant from 0 to 999 */
export function canaryOf(tenant: number): string {
  return `${MARK}${String(tenant).padStart(DIGITS, '0')}z`
}

interface Encoding {
  readonly name: string
  /** What the mark comes to, as bytes: one search for each says whether there is anything to read. */
  readonly marks: readonly Buffer[]
  /** The text around a mark, plain. */
  read(bytes: Buffer, at: number): string
}

/** So much is read on either side of a mark; every encoding has a canary within it. */
const AROUND = 128

function around(bytes: Buffer, at: number): Buffer {
  return bytes.subarray(Math.max(0, at - AROUND), at + AROUND)
}

/** The longest part of it that does not depend on what stands before and after it. */
function base64Mark(shift: number): string {
  const encoded = Buffer.from(`${'\0'.repeat(shift)}${MARK}`).toString('base64')
  const end = Math.floor(((shift + MARK.length) * 8) / 6)
  return encoded.slice(Math.ceil((shift * 8) / 6), end)
}

/** Whichever of its characters is the first of four. */
function unbase64(bytes: Buffer, at: number): string {
  const text = around(bytes, at).toString('latin1')
  const mark = Math.min(at, AROUND)
  const begin = mark - (/[\w+/-]*$/.exec(text.slice(0, mark))?.[0].length ?? 0)
  const run = /^[\w+/-]+/.exec(text.slice(begin))?.[0] ?? ''
  return [0, 1, 2, 3].map(skip => Buffer.from(run.slice(skip), 'base64').toString('latin1')).join(' ')
}

const codes = [...MARK].map(character => character.charCodeAt(0).toString(16).padStart(2, '0'))

const ENCODINGS: readonly Encoding[] = [
  {
    name: 'plain',
    marks: [Buffer.from(MARK)],
    read: (bytes, at) => bytes.toString('latin1', at, at + MARK.length + DIGITS + 1),
  },
  {
    name: 'hex',
    marks: [Buffer.from(codes.join('')), Buffer.from(codes.join('').toUpperCase())],
    read: (bytes, at) => Buffer.from(bytes.toString('latin1', at, at + AROUND), 'hex').toString('latin1'),
  },
  { name: 'base64', marks: [0, 1, 2].map(shift => Buffer.from(base64Mark(shift))), read: unbase64 },
  {
    name: 'UTF-16',
    marks: [Buffer.from(MARK, 'utf16le')],
    read: (bytes, at) => bytes.toString('utf16le', at, at + AROUND),
  },
  {
    name: 'escaped',
    marks: ['\\u00', '\\x', '%'].flatMap(before => [
      Buffer.from(codes.map(code => before + code).join('')),
      Buffer.from(codes.map(code => before + code.toUpperCase()).join('')),
    ]),
    read: (bytes, at) =>
      bytes
        .toString('latin1', at, at + AROUND)
        .replace(/(?:\\u00|\\x|%)([0-9a-fA-F]{2})/g, (_, hex: string) =>
          String.fromCharCode(Number.parseInt(hex, 16)),
        ),
  },
]

export interface Canary {
  /** Whose it is. */
  readonly tenant: number
  readonly encoding: string
}

/** All canaries in these bytes, whose ever they are. */
export function canariesIn(data: Uint8Array | string): Canary[] {
  const bytes = typeof data === 'string' ? Buffer.from(data) : asBuffer(data)
  const found: Canary[] = []
  for (const { name, marks, read } of ENCODINGS) {
    for (const mark of marks) {
      for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + mark.length)) {
        for (const [, tenant] of read(bytes, at).matchAll(CANARY))
          found.push({ tenant: Number(tenant), encoding: name })
      }
    }
  }
  return found
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}

export interface Leak extends Canary {
  /** What was looked at, as `frame` or `log`. */
  readonly place: string
  /** Who got it; undefined for what is of no tenant. */
  readonly at: number | undefined
}

/** Looks at all that anybody gets, and keeps what is of somebody else. */
export class CanaryWatch {
  readonly leaks: Leak[] = []
  /** How often something was looked at, and how many canaries of its own it held, by place. */
  readonly looked = new Map<string, { count: number; own: number; bytes: number }>()

  /** @param at whose it is; undefined for what must hold no tenant's */
  see(place: string, at: number | undefined, data: Uint8Array | string): void {
    const seen = this.looked.get(place) ?? { count: 0, own: 0, bytes: 0 }
    this.looked.set(place, seen)
    seen.count++
    seen.bytes += data.length
    for (const canary of canariesIn(data)) {
      if (canary.tenant === at) seen.own++
      else this.leaks.push({ ...canary, place, at })
    }
  }

  /** What an error says to whoever catches it. */
  seeError(at: number | undefined, error: unknown): void {
    const { message = '', stack = '', cure = '', details } = error as Partial<Record<string, unknown>>
    this.see('error', at, [message, cure, stack, JSON.stringify(details ?? {})].join('\n'))
  }
}
