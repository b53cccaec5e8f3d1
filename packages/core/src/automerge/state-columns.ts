import { ByteSink } from '../base/byte-sink.js'
import { encodeUtf8 } from '../base/bytes.js'
import type { ActorId } from '../base/ids.js'
import type { ACTION } from './automerge-op-names.js'
import { COLUMN, type ColumnName, VALUE } from './automerge-ops.js'
import { writeDeltas, writeFlags, writeRuns } from './automerge-runs.js'
import { type OpId, opIdOf } from './op-ids.js'
import { isInt } from './state-diff.js'

/** Before the first item of a list. */
export const HEAD = undefined

/** An op that writes to a key of a map, or to an item of a list. Ops are spelled as Automerge does, `counter@actor`. */
export interface EditOp {
  /** What it writes into; undefined for the root. */
  readonly object: string | undefined
  /** Of a map; undefined in a list. */
  readonly key?: string
  /** Of a list: the one that it writes to, or puts another one behind. */
  readonly item?: string | typeof HEAD
  readonly inserts: boolean
  readonly action: (typeof ACTION)[keyof typeof ACTION]
  /** What a set sets. */
  readonly value?: null | boolean | number | string | undefined
  /** The ops that it takes the place of, ascending, as a document names them. */
  readonly preds: readonly string[]
}

/** The ops that an op names. */
export interface NamedOps {
  readonly object: OpId | undefined
  readonly item: OpId | undefined
  readonly preds: readonly OpId[]
}

export function namedBy({ object, item, preds }: EditOp): NamedOps {
  return { object: idOf(object), item: idOf(item), preds: preds.map(opIdOf) }
}

function idOf(op: string | undefined): OpId | undefined {
  return op === undefined ? undefined : opIdOf(op)
}

const columns = new ByteSink()
const values = new ByteSink()

/** Writes over what is left of what was written. */
export function forgetColumns(): void {
  columns.forget()
  values.forget()
}

/** The columns of a change's ops, behind the table that says how long each is. */
export function writeColumns(
  body: ByteSink,
  ops: readonly EditOp[],
  named: readonly NamedOps[],
  actors: readonly ActorId[],
): void {
  const data = columns.reset()
  const lengths: [ColumnName, number][] = []
  const column = (name: ColumnName, write: () => void): void => {
    const before = data.length
    write()
    if (data.length > before) lengths.push([name, data.length - before])
  }
  const numbers = (name: ColumnName, rows: readonly (number | undefined)[]): void =>
    column(name, () => writeRuns(data, rows, (sink, row) => sink.uleb(row)))
  const deltas = (name: ColumnName, rows: readonly (number | undefined)[]): void =>
    column(name, () => writeDeltas(data, rows))
  const numberOf = (id: OpId | undefined): number | undefined => id && actors.indexOf(id.actor)
  values.reset()
  const heads = ops.map(op => writeValue(values, op))
  const preds = named.flatMap(each => each.preds)
  numbers(
    'objActor',
    named.map(({ object }) => numberOf(object)),
  )
  numbers(
    'objCounter',
    named.map(({ object }) => object?.counter),
  )
  numbers(
    'keyActor',
    named.map(({ item }) => numberOf(item)),
  )
  deltas(
    'keyCounter',
    ops.map(({ key }, at) => (key === undefined ? (named[at]!.item?.counter ?? BEFORE_FIRST) : undefined)),
  )
  column('keyText', () =>
    writeRuns(
      data,
      ops.map(({ key }) => key),
      (sink, key) => sink.text(key),
    ),
  )
  column('insert', () =>
    writeFlags(
      data,
      ops.map(({ inserts }) => inserts),
    ),
  )
  numbers(
    'action',
    ops.map(({ action }) => action),
  )
  numbers('valueHead', heads)
  column('value', () => data.raw(values.written()))
  numbers(
    'predCount',
    ops.map(op => op.preds.length),
  )
  numbers('predActor', preds.map(numberOf))
  deltas(
    'predCounter',
    preds.map(({ counter }) => counter),
  )
  body.uleb(lengths.length)
  for (const [name, length] of lengths) {
    body.uleb(COLUMN[name])
    body.uleb(length)
  }
  body.raw(data.written())
}

/** What stands for the counter of an item where there is none before. */
const BEFORE_FIRST = 0

/** @returns the value's head: its length in bytes, then its type in four bits */
function writeValue(sink: ByteSink, { value }: EditOp): number {
  const before = sink.length
  const type = writeScalar(sink, value)
  return (sink.length - before) * 16 + type
}

function writeScalar(sink: ByteSink, value: EditOp['value']): number {
  if (value === undefined || value === null) return VALUE.null
  if (typeof value === 'boolean') return value ? VALUE.true : VALUE.false
  if (typeof value === 'string') {
    sink.raw(encodeUtf8(value))
    return VALUE.text
  }
  if (isInt(value)) {
    sink.leb(value)
    return VALUE.int
  }
  sink.f64(value)
  return VALUE.f64
}
