import { CHUNK_CHANGE, HASHED_AT, MAGIC, SUM_AT } from './automerge-chunk.js'
import type { ACTION } from './automerge-op-names.js'
import { COLUMN, type ColumnName, VALUE } from './automerge-ops.js'
import { writeDeltas, writeRuns } from './automerge-runs.js'
import { ByteSink } from './byte-sink.js'
import { encodeUtf8, toHex } from './bytes.js'
import { HASH_BYTES } from './hash.js'
import { ACTOR_BYTES } from './header.js'
import type { ActorId } from './ids.js'
import { actorsOf, type OpId, opIdOf } from './op-ids.js'
import type { Hash } from './ports.js'
import { isInt } from './state-diff.js'

/** An op that writes to a key of a map. */
export interface MapOp {
  /** The map, as Automerge spells its id: `counter@actor`; undefined for the root. */
  readonly object: string | undefined
  readonly key: string
  readonly action: typeof ACTION.makeMap | typeof ACTION.set | typeof ACTION.delete
  /** What a set sets. */
  readonly value?: null | boolean | number | string
  /** The ops that it takes the place of, spelled likewise and ascending, as a document names them. */
  readonly preds: readonly string[]
}

/** What stands before the ops of a change. */
export interface ChunkHead {
  readonly actor: ActorId
  readonly seq: number
  readonly startOp: number
  /** Automerge's hashes of the changes that it depends on, in any order. */
  readonly deps: readonly string[]
}

/**
 * An Automerge change of ops on maps, as Automerge writes it, to the byte, and without a document.
 * Format: https://automerge.org/automerge-binary-format-spec/ (change chunk).
 */
export function writeStateChunk(
  head: ChunkHead,
  ops: readonly MapOp[],
  hash: Hash,
): { readonly bytes: Uint8Array; readonly hash: string } {
  const objects = ops.map(({ object }) => (object === undefined ? undefined : opIdOf(object)))
  const preds = ops.map(op => op.preds.map(opIdOf))
  const actors = actorsOf(head.actor, objects, preds.flat())
  writeHead(body.reset(), head, actors)
  writeColumns(body, ops, objects, preds, actors)
  chunk.reset().hex(MAGIC)
  chunk.hex(NO_SUM)
  chunk.byte(CHUNK_CHANGE)
  chunk.uleb(body.length)
  chunk.raw(body.written())
  const bytes = chunk.written().slice()
  hash(bytes.subarray(HASHED_AT), digest, 0)
  bytes.set(digest.subarray(0, HASHED_AT - SUM_AT), SUM_AT)
  return { bytes, hash: toHex(digest) }
}

/** Writes over what is left of changes that were written, whosever they are. */
export function forgetStateChunks(): void {
  for (const sink of [chunk, body, columns, values]) sink.forget()
}

const chunk = new ByteSink()
const body = new ByteSink()
const columns = new ByteSink()
const values = new ByteSink()
const digest = new Uint8Array(HASH_BYTES)
const NO_SUM = '00'.repeat(HASHED_AT - SUM_AT)

function writeHead(sink: ByteSink, { seq, startOp, deps }: ChunkHead, actors: readonly ActorId[]): void {
  sink.uleb(deps.length)
  for (const dep of [...deps].sort()) sink.hex(dep)
  const [author, ...others] = actors
  writeActor(sink, author!)
  sink.uleb(seq)
  sink.uleb(startOp)
  sink.leb(NO_TIME)
  sink.uleb(NO_MESSAGE)
  sink.uleb(others.length)
  for (const other of others) writeActor(sink, other)
}

const NO_TIME = 0
const NO_MESSAGE = 0

function writeActor(sink: ByteSink, actor: ActorId): void {
  sink.uleb(ACTOR_BYTES)
  sink.hex(actor)
}

function writeColumns(
  body: ByteSink,
  ops: readonly MapOp[],
  objects: readonly (OpId | undefined)[],
  preds: readonly (readonly OpId[])[],
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
  const numberOf = (id: OpId | undefined): number | undefined => id && actors.indexOf(id.actor)
  const all = preds.flat()
  values.reset()
  const heads = ops.map(op => writeValue(values, op))
  numbers('objActor', objects.map(numberOf))
  numbers(
    'objCounter',
    objects.map(object => object?.counter),
  )
  column('keyText', () =>
    writeRuns(
      data,
      ops.map(op => op.key),
      (sink, key) => sink.text(key),
    ),
  )
  // None of them is inserted: one run of so many that are not.
  column('insert', () => data.uleb(ops.length))
  numbers(
    'action',
    ops.map(op => op.action),
  )
  numbers('valueHead', heads)
  column('value', () => data.raw(values.written()))
  numbers(
    'predCount',
    preds.map(each => each.length),
  )
  numbers('predActor', all.map(numberOf))
  column('predCounter', () =>
    writeDeltas(
      data,
      all.map(pred => pred.counter),
    ),
  )
  body.uleb(lengths.length)
  for (const [name, length] of lengths) {
    body.uleb(COLUMN[name])
    body.uleb(length)
  }
  body.raw(data.written())
}

/** @returns the value's head: its length in bytes, then its type in four bits */
function writeValue(sink: ByteSink, { value }: MapOp): number {
  const before = sink.length
  const type = writeScalar(sink, value)
  return (sink.length - before) * 16 + type
}

function writeScalar(sink: ByteSink, value: MapOp['value']): number {
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
