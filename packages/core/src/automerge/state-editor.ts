import type { ActorId } from '../base/ids.js'
import type { JsonObject } from '../base/json.js'
import { ACTION } from './automerge-op-names.js'
import { LONG_LIST, type Standing } from './standing.js'
import { type EditOp, HEAD } from './state-columns.js'
import { type StateTarget, type Written, writeDifference } from './state-diff.js'

/** How the root is named where a document is written to. */
const ROOT = '/'

/** Notes the ops of one change, as a document would make them. */
export class StateEditor implements StateTarget {
  readonly ops: EditOp[] = []

  constructor(
    private readonly actor: ActorId,
    private readonly startOp: number,
    private readonly standing: Standing,
  ) {}

  /** @returns undefined where a long list is to be edited */
  write(...difference: readonly [JsonObject, JsonObject, (readonly string[])?]): Written | undefined {
    try {
      return writeDifference(this, ...difference)
    } catch (thrown) {
      if (thrown === LONG_LIST) return undefined
      throw thrown
    }
  }

  /** The object that is shown there. */
  get(object: string, key: string | number): string {
    const shown = this.standing.at(object, key).at(-1)
    if (shown?.makes === undefined) throw new Error('a difference goes into what is no object')
    return shown.op
  }

  put(object: string, key: string | number, value: unknown): void {
    const op = this.#overwrite(object, key, ACTION.set, value as EditOp['value'])
    this.standing.put(object, key, { op, makes: undefined })
  }

  putObject(object: string, key: string | number, value: unknown): string {
    const { action, makes } = makerOf(value)
    const op = this.#overwrite(object, key, action)
    this.standing.put(object, key, { op, makes })
    return op
  }

  insert(list: string, index: number, value: unknown): void {
    const op = this.#insert(list, index, ACTION.set, value as EditOp['value'])
    this.standing.insert(list, index, { op, makes: undefined })
  }

  insertObject(list: string, index: number, value: unknown): string {
    const { action, makes } = makerOf(value)
    const op = this.#insert(list, index, action)
    this.standing.insert(list, index, { op, makes })
    return op
  }

  delete(object: string, key: string | number): void {
    this.#overwrite(object, key, ACTION.delete)
    this.standing.delete(object, key)
  }

  #overwrite(
    object: string,
    key: string | number,
    action: EditOp['action'],
    value?: EditOp['value'],
  ): string {
    const preds = this.standing.at(object, key).map(({ op }) => op)
    const place = typeof key === 'string' ? { key } : { item: this.standing.itemAt(object, key) }
    return this.#add({ object, ...place, inserts: false, action, value, preds })
  }

  #insert(object: string, index: number, action: EditOp['action'], value?: EditOp['value']): string {
    const item = index === 0 ? HEAD : this.standing.itemAt(object, index - 1)
    return this.#add({ object, item, inserts: true, action, value, preds: NOTHING })
  }

  #add({ object, ...op }: EditOp): string {
    this.ops.push({ object: object === ROOT ? undefined : object, ...op })
    return `${this.startOp + this.ops.length - 1}@${this.actor}`
  }
}

const NOTHING: readonly never[] = []

function makerOf(value: unknown) {
  return Array.isArray(value)
    ? ({ action: ACTION.makeList, makes: 'list' } as const)
    : ({ action: ACTION.makeMap, makes: 'map' } as const)
}
