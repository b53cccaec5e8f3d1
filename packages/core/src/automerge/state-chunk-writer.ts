import { ByteSink } from '../base/byte-sink.js'
import { toHex } from '../base/bytes.js'
import { HASH_BYTES } from '../base/hash.js'
import type { ActorId } from '../base/ids.js'
import type { Hash } from '../base/ports.js'
import { ACTOR_BYTES } from '../change/header.js'
import { CHUNK_CHANGE, HASHED_AT, MAGIC, SUM_AT } from './automerge-chunk.js'
import { actorsOf } from './op-ids.js'
import { type EditOp, forgetColumns, namedBy, writeColumns } from './state-columns.js'

/** What stands before the ops of a change. */
export interface ChunkHead {
  readonly actor: ActorId
  readonly seq: number
  readonly startOp: number
  /** Automerge's hashes of the changes that it depends on, in any order. */
  readonly deps: readonly string[]
}

/**
 * An Automerge change, as Automerge writes it, to the byte, and without a document.
 * Format: https://automerge.org/automerge-binary-format-spec/ (change chunk).
 */
export function writeStateChunk(
  head: ChunkHead,
  ops: readonly EditOp[],
  hash: Hash,
): { readonly bytes: Uint8Array; readonly hash: string } {
  const named = ops.map(namedBy)
  const actors = actorsOf(
    head.actor,
    named.flatMap(({ object, item, preds }) => [object, item, ...preds]),
  )
  writeHead(body.reset(), head, actors)
  writeColumns(body, ops, named, actors)
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
  chunk.forget()
  body.forget()
  forgetColumns()
}

const chunk = new ByteSink()
const body = new ByteSink()
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
