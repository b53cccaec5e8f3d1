import { uncompress } from 'snappyjs'
import { maskedCrc32c } from '../base/crc32c.js'

/*
 * A table of LevelDB is blocks, each with a trailer of its type (1 byte) and the masked CRC-32C of block and type (4, little
 * endian); then a footer of 48 bytes: where the meta index and the index are (offset and size, varints), and a magic number.
 * LevelDB reads blocks without looking at the checksum, and some that are damaged end its process.
 */

const FOOTER_BYTES = 48
const TRAILER_BYTES = 5
const MAGIC = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]
const SNAPPY = 1
const INDEX_BYTES_MAX = 67_108_864

interface Handle {
  readonly offset: number
  readonly size: number
}

/** Checks every block. @returns what is wrong, each with its offset; empty when all is well */
export function damageOfTable(bytes: Uint8Array): string[] {
  const footer = bytes.length - FOOTER_BYTES
  if (footer < 0 || MAGIC.some((byte, index) => bytes[bytes.length - MAGIC.length + index] !== byte)) {
    return [`its footer at ${Math.max(footer, 0)}`]
  }
  const damage: string[] = []
  const block = (what: string, { offset, size }: Handle): Uint8Array | undefined => {
    const end = offset + size + 1
    const isInside = end + TRAILER_BYTES - 1 <= footer
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    if (isInside && maskedCrc32c(bytes, offset, end) === view.getUint32(end, true)) {
      return bytes.subarray(offset, end)
    }
    damage.push(`${what} at ${offset}`)
    return undefined
  }
  const cursor = new Cursor(bytes, footer)
  const handles = [handleAt(cursor), handleAt(cursor)] as const
  const [meta, index] = [block('its meta index', handles[0]), block('its index', handles[1])]
  for (const handle of meta ? handlesIn(meta) : []) block('its filter', handle)
  for (const handle of index ? handlesIn(index) : []) block('a block', handle)
  return damage
}

class Cursor {
  constructor(
    readonly bytes: Uint8Array,
    public at = 0,
  ) {}

  varint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.at++] ?? 0
      value += (byte & 0x7f) * scale
      if (byte < 128) return value
    }
  }
}

function handleAt(cursor: Cursor): Handle {
  return { offset: cursor.varint(), size: cursor.varint() }
}

/** The values of an index block, whose checksum holds: each entry is three lengths, the rest of its key, its value. */
function handlesIn(block: Uint8Array): Handle[] {
  const stored = block.subarray(0, -1)
  const content = block.at(-1) === SNAPPY ? uncompress(stored, INDEX_BYTES_MAX) : stored
  const restarts = new DataView(content.buffer, content.byteOffset, content.length).getUint32(
    content.length - 4,
    true,
  )
  const end = content.length - 4 * (restarts + 1)
  const cursor = new Cursor(content)
  const handles: Handle[] = []
  while (cursor.at < end) {
    cursor.varint()
    const key = cursor.varint()
    const value = cursor.varint()
    cursor.at += key
    const next = cursor.at + value
    handles.push(handleAt(cursor))
    cursor.at = next
  }
  return handles
}
