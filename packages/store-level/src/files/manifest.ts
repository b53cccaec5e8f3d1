import { recordsOfJournal } from './journal-file.js'

/*
 * A MANIFEST of LevelDB is a journal of edits; an edit is fields: a tag, and what belongs to it. All numbers are varints
 * (7 bits a byte, the lowest first), text and keys have their length before them.
 */

const COMPARATOR = 1
const COMPACT_POINTER = 5
const DELETED_FILE = 6
const NEW_FILE = 7
/** Number of the journal, of the next file, of the last write, of the journal before. */
const NUMBERS = [2, 3, 4, 9]

/**
 * The numbers of the tables that a MANIFEST says a store is made of. Others are left of what was cut short, and LevelDB
 * removes them when it opens.
 * @returns undefined when any of it cannot be read
 */
export function tablesOfManifest(bytes: Uint8Array): ReadonlySet<number> | undefined {
  const edits = recordsOfJournal(bytes)
  if (edits === undefined) return undefined
  const tables = new Map<string, number>()
  try {
    for (const edit of edits) apply(new Fields(edit), tables)
  } catch {
    return undefined
  }
  return new Set(tables.values())
}

/** @param tables by level and number: one that moves to another level is deleted at the one and new at the other */
function apply(fields: Fields, tables: Map<string, number>): void {
  while (!fields.atEnd) {
    const tag = fields.number()
    if (tag === COMPARATOR) fields.skipText()
    else if (tag === COMPACT_POINTER) {
      fields.number()
      fields.skipText()
    } else if (tag === DELETED_FILE) tables.delete(`${fields.number()} ${fields.number()}`)
    else if (tag === NEW_FILE) {
      const [level, table] = [fields.number(), fields.number()]
      tables.set(`${level} ${table}`, table)
      // Its size, its first key and its last.
      fields.number()
      fields.skipText()
      fields.skipText()
    } else if (NUMBERS.includes(tag)) fields.number()
    else throw new RangeError(`there is no field ${tag}`)
  }
}

class Fields {
  #at = 0

  constructor(private readonly bytes: Uint8Array) {}

  get atEnd(): boolean {
    return this.#at === this.bytes.length
  }

  number(): number {
    let value = 0
    for (let unit = 1; ; unit *= 128) {
      const byte = this.bytes[this.#at++]
      if (byte === undefined) throw new RangeError('a field is cut off')
      value += (byte & 127) * unit
      if (byte < 128) return value
    }
  }

  skipText(): void {
    const length = this.number()
    this.#at += length
    if (this.#at > this.bytes.length) throw new RangeError('a field is cut off')
  }
}
