import { ACTION } from './automerge-op-names.js'
import { tooManyOps } from './automerge-ops.js'
import type { ActorId } from './ids.js'
import type { JsonObject } from './json.js'
import { LIMITS } from './limits.js'
import { MapEditor, type Put, ROOT } from './map-editor.js'
import type { Hash } from './ports.js'
import { type MapOp, writeStateChunk } from './state-chunk-writer.js'
import type { AutomergeDocument, Written } from './state-diff.js'

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

/** A difference in maps alone, those in lists among them. `bytes` are undefined where there is none. */
export interface MapEdit extends Written {
  readonly bytes: Uint8Array | undefined
}

/**
 * What an author has written to maps and its document has not been told: to make each change with a document takes many
 * times as long as to write it, and nobody may ever ask the document. All that others write goes there first, so what is
 * at a key is what was written here last, or else what the document says.
 */
export class MapEdits {
  #changes: Uint8Array[] = []
  #bytes = 0
  #end: StateEnd | undefined
  /** By map, what stands at the keys that were written; undefined where a key was taken away. */
  readonly #keys = new Map<string, Map<string, Put | undefined>>()
  readonly #made = new Set<string>()

  constructor(
    private readonly actor: ActorId,
    private readonly hash: Hash,
  ) {}

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
    this.#keys.clear()
    this.#made.clear()
  }

  /**
   * Writes the difference between two states, the first of which is what is shown.
   * @param document what others wrote, and what was taken from here; undefined where that is nothing
   * @param shown where all that ends, with the changes here
   * @param seq of the change: how many state changes the author has written before, and one
   * @param difference as of `writeDifference`
   * @returns undefined where it is not of maps alone; then nothing is written
   * @throws WEFT_CHANGE_TOO_LARGE; likewise
   */
  write(
    document: AutomergeDocument | undefined,
    shown: StateEnd,
    seq: number,
    ...difference: readonly [base: JsonObject, next: JsonObject, touched?: readonly string[]]
  ): MapEdit | undefined {
    const startOp = shown.lastOp + 1
    const editor = new MapEditor(this.actor, startOp, (object, key) => this.#standing(document, object, key))
    const written = editor.write(...difference)
    if (written === undefined) return undefined
    const { ops } = editor
    if (ops.length === 0) return { ...written, bytes: undefined }
    if (ops.length > LIMITS.state_ops_per_change_max) throw tooManyOps(ops.length)
    const { bytes, hash } = writeStateChunk(
      { actor: this.actor, seq, startOp, deps: shown.deps },
      ops,
      this.hash,
    )
    this.#changes.push(bytes)
    this.#bytes += bytes.length
    this.#end = { deps: [hash], lastOp: shown.lastOp + ops.length }
    ops.forEach((op, index) => {
      this.#note(op, `${startOp + index}@${this.actor}`)
    })
    return { ...written, bytes }
  }

  #note({ object = ROOT, key, action }: MapOp, op: string): void {
    const isMap = action === ACTION.makeMap
    if (isMap) this.#made.add(op)
    const put = action === ACTION.delete ? undefined : ({ op, makes: isMap ? 'map' : undefined } as const)
    const keys = this.#keys.get(object)
    if (keys) keys.set(key, put)
    else this.#keys.set(object, new Map([[key, put]]))
  }

  /** What stands at a key or an index, the one that is shown last. Lists are all the document's. */
  #standing(document: AutomergeDocument | undefined, object: string, key: string | number): readonly Put[] {
    const keys = this.#keys.get(object)
    if (typeof key === 'string' && keys?.has(key)) {
      const put = keys.get(key)
      return put ? [put] : NOTHING
    }
    if (document === undefined || this.#made.has(object)) return NOTHING
    return document.getAll(object, key).map(value => {
      const [type] = value
      return { op: String(value.at(-1)), makes: type === 'map' || type === 'list' ? type : undefined }
    })
  }
}

const NOTHING: readonly never[] = []
