import { WeftError } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import {
  badState,
  checkText,
  ColumnReader,
  countRows,
  NOTHING,
  readDeltas,
  readFlags,
  readKeys,
  readNumbers,
  readTexts,
} from './automerge-columns.js'
import { ACTION, OpNames, type Ops } from './automerge-op-names.js'

/**
 * The ops of a state change, read without Automerge: which ops of other changes they name, and that they are of the few
 * shapes that Weft writes. Everything else that Automerge could be made to do is refused by what it is not.
 */
export interface StateOps {
  /** How many there are: they take so many op ids, from the change's startOp on. */
  readonly count: number
  /** Ops of earlier changes that they name: counters by the number of their author in the actor table. */
  readonly named: ReadonlyMap<number, ReadonlySet<number>>
  /** Objects of earlier changes in which it makes new ones, and how deep those nest: by op id, `counter@number`. */
  readonly nests: ReadonlyMap<string, number>
  /** Objects of earlier changes that it writes into, by author and counter as in `named`: true for a map, false for a list. */
  readonly into: ReadonlyMap<number, ReadonlyMap<number, boolean>>
  /** The objects that it makes, by the counters of the ops that do: likewise. */
  readonly makes: ReadonlyMap<number, boolean>
}

/** Above this an Automerge change applies and saves, and the document can never be loaded again. */
export const OP_MAX = 0x7fffffff

/** What a column is of, by the number it has in the chunk. The bit 8 would say that it is compressed. */
export const COLUMN = {
  objActor: 1,
  objCounter: 2,
  keyActor: 17,
  keyCounter: 19,
  keyText: 21,
  insert: 52,
  action: 66,
  valueHead: 86,
  value: 87,
  predCount: 112,
  predActor: 113,
  predCounter: 115,
} as const
export type ColumnName = keyof typeof COLUMN
const NAMES = new Map<number, ColumnName>(
  Object.entries(COLUMN).map(([name, number]) => [number, name as ColumnName]),
)

interface Span {
  readonly at: number
  readonly end: number
}

/**
 * Reads from the columns' table on, to the end of the chunk.
 * @param actors how many the change's actor table has; the author is number 0
 * @throws WEFT_CHANGE_STATE · WEFT_CHANGE_TOO_LARGE
 */
export function readStateOps(reader: ColumnReader, actors: number, startOp: number): StateOps {
  const column = columnsOf(reader)
  const count = countRows(column('action'))
  if (count > LIMITS.state_ops_per_change_max) throw tooManyOps(count)
  if (startOp + count - 1 > OP_MAX) throw badState(`its ops end beyond ${OP_MAX}`)
  const ops = readColumns(column, count)
  checkValues(column('value'), ops)
  const names = new OpNames(ops, actors, startOp)
  names.read()
  const { named, nests, into } = names
  return { count, named, nests, into, makes: objectsMade(ops, startOp) }
}

/** The ops as they are, and the key of each that writes into a map: of a change that has been read as above. */
export function readKeyedOps(reader: ColumnReader): {
  readonly ops: Ops
  readonly keys: readonly (string | undefined)[]
} {
  const column = columnsOf(reader)
  const ops = readColumns(column, countRows(column('action')))
  return { ops, keys: readKeys(column('keyText'), ops.count) }
}

function columnsOf(reader: ColumnReader): (name: ColumnName) => ColumnReader {
  const table = readTable(reader)
  return name => {
    const { at, end } = table.get(name) ?? { at: 0, end: 0 }
    return new ColumnReader(reader.bytes, at, end)
  }
}

function objectsMade({ action }: Ops, startOp: number): ReadonlyMap<number, boolean> {
  let made: Map<number, boolean> | undefined
  action.forEach((act, row) => {
    if (act !== ACTION.makeMap && act !== ACTION.makeList) return
    made ??= new Map()
    made.set(startOp + row, act === ACTION.makeMap)
  })
  return made ?? NO_OBJECTS
}

/** Most changes write into objects that are there: of many in a log each keeps what it made. */
const NO_OBJECTS: ReadonlyMap<number, boolean> = new Map()

export function tooManyOps(count: number): WeftError {
  return new WeftError(
    'WEFT_CHANGE_TOO_LARGE',
    `the state change has ${count} operations, about one a value; at most ${LIMITS.state_ops_per_change_max} are allowed`,
    'store large content elsewhere and put a reference to it into the state, or write it in several changes',
    { ops: count },
  )
}

function tooManyKeys(bytes: number): WeftError {
  return new WeftError(
    'WEFT_CHANGE_TOO_LARGE',
    `the keys in the state change take ${bytes} bytes; at most ${LIMITS.state_key_bytes_per_change_max} are allowed`,
    'shorten the keys, or write the state in several changes',
    { bytes },
  )
}

function readTable(reader: ColumnReader): ReadonlyMap<ColumnName, Span> {
  const lengths: [ColumnName, number][] = []
  let last = 0
  for (let left = reader.uleb(); left > 0; left--) {
    const number = reader.uleb()
    const name = NAMES.get(number)
    if (name === undefined || number <= last) throw badState(`it has a column ${number} where none is due`)
    last = number
    lengths.push([name, reader.uleb()])
  }
  const table = new Map<ColumnName, Span>()
  for (const [name, length] of lengths) table.set(name, { at: reader.skip(length), end: reader.at })
  if (reader.at !== reader.end) throw badState(`${reader.end - reader.at} bytes follow its columns`)
  return table
}

function readColumns(column: (name: ColumnName) => ColumnReader, count: number): Ops {
  const read = <T>(
    name: ColumnName,
    rows: number,
    by: (reader: ColumnReader, rows: number) => T,
    none: T,
  ): T => {
    const reader = column(name)
    return reader.at === reader.end ? none : by(reader, rows)
  }
  const nothing = new Int32Array(count).fill(NOTHING)
  const predCount = read('predCount', count, readNumbers, nothing)
  const preds = predCount.reduce((sum, each) => sum + each, 0)
  if (preds < 0 || preds > LIMITS.state_ops_per_change_max)
    throw badState('it overwrites too much, or nothing says what')
  const noPreds = new Int32Array(preds).fill(NOTHING)
  const keyText = read('keyText', count, readTexts, nothing)
  const keyBytes = keyText.reduce((sum, length) => sum + Math.max(0, length), 0)
  if (keyBytes > LIMITS.state_key_bytes_per_change_max) throw tooManyKeys(keyBytes)
  return {
    count,
    objActor: read('objActor', count, readNumbers, nothing),
    objCounter: read('objCounter', count, readNumbers, nothing),
    keyActor: read('keyActor', count, readNumbers, nothing),
    keyCounter: read('keyCounter', count, readDeltas, nothing),
    keyText,
    insert: read('insert', count, readFlags, new Uint8Array(count)),
    action: read('action', count, readNumbers, nothing),
    valueHead: read('valueHead', count, readNumbers, nothing),
    predCount,
    predActor: read('predActor', preds, readNumbers, noPreds),
    predCounter: read('predCounter', preds, readDeltas, noPreds),
  }
}

/** A value's head is its length and its type; only a set has a value, and it is one that JSON can carry. */
function checkValues(reader: ColumnReader, { count, action, valueHead }: Ops): void {
  for (let row = 0; row < count; row++) {
    const head = valueHead[row]!
    if (action[row] !== ACTION.set && head !== 0) throw badState('an op that sets nothing has a value')
    const length = head >>> 4
    const at = reader.skip(length)
    if (!isValue(reader.bytes, head & 0xf, at, length))
      throw badState('it has a value that JSON cannot carry')
  }
  if (reader.at !== reader.end) throw badState('it has values of no op')
}

/** The types of values that JSON can carry. */
export const VALUE = { null: 0, false: 1, true: 2, int: 4, f64: 5, text: 6 } as const

function isValue(bytes: Uint8Array, type: number, at: number, length: number): boolean {
  switch (type) {
    case VALUE.null:
    case VALUE.false:
    case VALUE.true:
      return length === 0
    case VALUE.int: {
      const reader = new ColumnReader(bytes, at, at + length)
      return Number.isSafeInteger(reader.leb()) && reader.at === reader.end
    }
    case VALUE.f64:
      return (
        length === 8 &&
        Number.isFinite(new DataView(bytes.buffer, bytes.byteOffset + at, 8).getFloat64(0, true))
      )
    case VALUE.text:
      checkText(bytes, at, at + length)
      return true
    default:
      return false
  }
}
