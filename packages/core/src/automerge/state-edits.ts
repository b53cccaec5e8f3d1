import type { ActorId } from '../base/ids.js'
import type { JsonObject } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import type { Hash } from '../base/ports.js'
import { tooManyOps } from './automerge-ops.js'
import { Standing } from './standing.js'
import { writeStateChunk } from './state-chunk-writer.js'
import type { AutomergeDocument, Written } from './state-diff.js'
import { StateEditor } from './state-editor.js'

/** So many changes wait for the document, and so many bytes: it takes them in one batch, which stays short. */
const UNAPPLIED_MAX = 1_024
const UNAPPLIED_BYTES_MAX = 262_144

/** Where the changes end that show a state. */
export interface StateEnd {
  /** Automerge's hashes of what the next one depends on. */
  readonly deps: readonly string[]
  /** The number of the last op in them. */
  readonly lastOp: number
}

/** A difference that was written. `bytes` are undefined where there is none. */
export interface StateEdit extends Written {
  readonly bytes: Uint8Array | undefined
}

/**
 * What an author has written and its document has not been told: to make each change with a document takes many times as
 * long as to write it, and nobody may ever ask the document. All that others write goes there first, so what stands
 * somewhere is what was written here last, or else what the document says.
 */
export class StateEdits {
  #changes: Uint8Array[] = []
  #bytes = 0
  #end: StateEnd | undefined
  readonly #standing: Standing

  /** @param document what others wrote, and what was taken from here; undefined where that is nothing */
  constructor(
    private readonly actor: ActorId,
    private readonly hash: Hash,
    document: () => AutomergeDocument | undefined,
  ) {
    this.#standing = new Standing(document)
  }

  /** Where the changes here end; undefined where there are none. */
  get end(): StateEnd | undefined {
    return this.#end
  }

  get isFull(): boolean {
    return this.#changes.length >= UNAPPLIED_MAX || this.#bytes >= UNAPPLIED_BYTES_MAX
  }

  /** The changes in their order; they are the document's now. */
  take(): readonly Uint8Array[] {
    const changes = this.#changes
    this.clear()
    return changes
  }

  clear(): void {
    this.#changes = []
    this.#bytes = 0
    this.#end = undefined
    this.#standing.clear()
  }

  /**
   * Writes the difference between two states, the first of which is what is shown.
   * @param shown where all that ends, with the changes here
   * @param seq of the change: how many state changes the author has written before, and one
   * @param difference as of `writeDifference`
   * @returns undefined where a long list is to be edited: then the document is to write it
   * @throws WEFT_CHANGE_TOO_LARGE; then all that is here is to be cleared
   */
  write(
    shown: StateEnd,
    seq: number,
    ...difference: readonly [base: JsonObject, next: JsonObject, touched?: readonly string[]]
  ): StateEdit | undefined {
    const startOp = shown.lastOp + 1
    const editor = new StateEditor(this.actor, startOp, this.#standing)
    const written = editor.write(...difference)
    if (written === undefined) return undefined
    const { ops } = editor
    if (ops.length === 0) return { ...written, bytes: undefined }
    if (ops.length > LIMITS.state_ops_per_change_max) throw tooManyOps(ops.length)
    const head = { actor: this.actor, seq, startOp, deps: shown.deps }
    const { bytes, hash } = writeStateChunk(head, ops, this.hash)
    this.#changes.push(bytes)
    this.#bytes += bytes.length
    this.#end = { deps: [hash], lastOp: shown.lastOp + ops.length }
    return { ...written, bytes }
  }
}
