import { ACTION } from './automerge-op-names.js'
import type { ActorId } from './ids.js'
import type { JsonObject } from './json.js'
import type { MapOp } from './state-chunk-writer.js'
import { type StateTarget, type Written, writeDifference } from './state-diff.js'

/** What stands at a key of a map, or at an index of a list: the op that put it there, and what that made, if anything. */
export interface Put {
  readonly op: string
  readonly makes: 'map' | 'list' | undefined
}

/** Where a difference makes a list, or puts something else into one, which a document has to write. */
const BEYOND_MAPS = Symbol('beyond maps')

/** How the root is named where a document is written to. */
export const ROOT = '/'
const NOTHING: readonly never[] = []

/** Notes the ops of one change, as a document would make them. */
export class MapEditor implements StateTarget {
  readonly ops: MapOp[] = []
  readonly #made = new Set<string>()

  constructor(
    private readonly actor: ActorId,
    private readonly startOp: number,
    private readonly at: (object: string, key: string | number) => readonly Put[],
  ) {}

  /** @returns undefined where it is not of maps alone */
  write(...difference: readonly [JsonObject, JsonObject, (readonly string[])?]): Written | undefined {
    try {
      return writeDifference(this, ...difference)
    } catch (thrown) {
      if (thrown === BEYOND_MAPS) return undefined
      throw thrown
    }
  }

  get(object: string, key: string | number): string {
    const shown = this.#standing(object, key).at(-1)
    if (shown?.makes === undefined) throw BEYOND_MAPS
    return shown.op
  }

  put(object: string, key: string | number, value: unknown): void {
    this.#add(object, key, ACTION.set, value as MapOp['value'])
  }

  putObject(object: string, key: string | number, value: unknown): string {
    if (Array.isArray(value)) throw BEYOND_MAPS
    const op = this.#add(object, key, ACTION.makeMap)
    this.#made.add(op)
    return op
  }

  delete(object: string, key: string | number): void {
    this.#add(object, key, ACTION.delete)
  }

  insert(): never {
    throw BEYOND_MAPS
  }

  insertObject(): never {
    throw BEYOND_MAPS
  }

  #add(object: string, key: string | number, action: MapOp['action'], value?: MapOp['value']): string {
    if (typeof key === 'number') throw BEYOND_MAPS
    const preds = this.#standing(object, key).map(({ op }) => op)
    const into = object === ROOT ? undefined : object
    this.ops.push({ object: into, key, action, preds, ...(value !== undefined && { value }) })
    return `${this.startOp + this.ops.length - 1}@${this.actor}`
  }

  #standing(object: string, key: string | number): readonly Put[] {
    return this.#made.has(object) ? NOTHING : this.at(object, key)
  }
}
