import type { WeftError } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { badState, type Column, NOTHING } from './automerge-columns.js'

/** What an op does, of what Weft has done. */
export const ACTION = { makeMap: 0, set: 1, makeList: 2, delete: 3 } as const

/** All columns but the values themselves, by row; of the overwritten ops each has as many rows as `predCount` says. */
export interface Ops {
  readonly count: number
  readonly objActor: Column
  readonly objCounter: Column
  readonly keyActor: Column
  readonly keyCounter: Column
  readonly keyText: Column
  readonly insert: Uint8Array
  readonly action: Column
  readonly valueHead: Column
  readonly predCount: Column
  readonly predActor: Column
  readonly predCounter: Column
}

export function tooDeep(): WeftError {
  return badState(`it nests deeper than ${LIMITS.value_depth_max}`)
}

/** Automerge takes some of it, and breaks on it later. */
export function otherKind(): WeftError {
  return badState('it writes into what is no object of that kind')
}

const NOT_OWN = -1
const ROOT = ''

/** Goes through the ops in their order: each may name what stands before it, in this change or in its past. */
export class OpNames {
  readonly named = new Map<number, Set<number>>()
  readonly nests = new Map<string, number>()
  /** Objects of earlier changes that it writes into, by actor and counter: whether as into a map. */
  readonly into = new Map<number, Map<number, boolean>>()
  /** Of each op that makes an object, how deep that is within this change, and the object of an earlier one around it. */
  readonly #depths: Uint8Array
  readonly #around: string[] = []

  constructor(
    private readonly ops: Ops,
    private readonly actors: number,
    private readonly startOp: number,
  ) {
    this.#depths = new Uint8Array(ops.count)
  }

  read(): void {
    const { count, predCount } = this.ops
    let pred = 0
    for (let row = 0; row < count; row++) {
      this.#readShape(row)
      const isMap = this.ops.keyText[row] !== NOTHING
      const parent = this.#readObject(row, isMap)
      this.#readKey(row, isMap)
      this.#nest(row, parent)
      for (const end = pred + predCount[row]!; pred < end; pred++)
        this.#name(row, this.ops.predActor[pred]!, this.ops.predCounter[pred]!)
    }
  }

  #readShape(row: number): void {
    const { action, insert, keyText, predCount } = this.ops
    const act = action[row]!
    if (act < ACTION.makeMap || act > ACTION.delete)
      throw badState(`it has an op of action ${act}, which Weft never writes`)
    const overwrites = predCount[row]! > 0
    if (insert[row] === 1 && (overwrites || act === ACTION.delete || keyText[row] !== NOTHING))
      throw badState('an insertion overwrites, deletes or has a key')
    if (act === ACTION.delete && !overwrites) throw badState('a deletion deletes nothing')
  }

  /** @returns the row that makes the object, if it is in this change */
  #readObject(row: number, isMap: boolean): number {
    const { objActor, objCounter, action } = this.ops
    if (objActor[row] === NOTHING && objCounter[row] === NOTHING) {
      if (!isMap) throw badState('the root has keys, and no items')
      return NOT_OWN
    }
    const own = this.#name(row, objActor[row]!, objCounter[row]!)
    if (own === NOT_OWN) this.#goInto(objActor[row]!, objCounter[row]!, isMap)
    else if (action[own] !== (isMap ? ACTION.makeMap : ACTION.makeList)) throw otherKind()
    return own
  }

  #goInto(actor: number, counter: number, isMap: boolean): void {
    const objects = this.into.get(actor) ?? new Map<number, boolean>()
    if ((objects.get(counter) ?? isMap) !== isMap) throw otherKind()
    this.into.set(actor, objects.set(counter, isMap))
  }

  #readKey(row: number, isMap: boolean): void {
    const { keyActor, keyCounter, insert } = this.ops
    const actor = keyActor[row]!
    const counter = keyCounter[row]!
    if (isMap) {
      if (actor !== NOTHING || counter !== NOTHING) throw badState('a key is a text and an item at once')
    } else if (actor === NOTHING && counter === 0) {
      if (insert[row] === 0) throw badState('what is before the first item cannot be written to')
    } else {
      const own = this.#name(row, actor, counter)
      if (own !== NOT_OWN && !this.#isItemBeside(own, row))
        throw badState('it goes by an item of another list')
    }
  }

  #isItemBeside(item: number, row: number): boolean {
    const { insert, objActor, objCounter } = this.ops
    return insert[item] === 1 && objActor[item] === objActor[row] && objCounter[item] === objCounter[row]
  }

  #nest(row: number, parent: number): void {
    const { action, objActor, objCounter } = this.ops
    if (action[row] !== ACTION.makeMap && action[row] !== ACTION.makeList) return
    const depth = parent === NOT_OWN ? 1 : this.#depths[parent]! + 1
    if (depth > LIMITS.value_depth_max) throw tooDeep()
    this.#depths[row] = depth
    const isInRoot = objActor[row] === NOTHING
    const outer = isInRoot ? ROOT : `${objCounter[row]}@${objActor[row]}`
    const around = parent === NOT_OWN ? outer : this.#around[parent]!
    this.#around[row] = around
    if (around !== ROOT && depth > (this.nests.get(around) ?? 0)) this.nests.set(around, depth)
  }

  /** @returns the row of the op, if it is in this change */
  #name(row: number, actor: number, counter: number): number {
    const known = actor >= 0 && actor < this.actors && counter > 0 && counter < this.startOp + row
    if (!known) throw badState('it names an op that does not stand before it')
    if (counter >= this.startOp) {
      if (actor !== 0) throw badState('it names an op that is not in its past')
      return counter - this.startOp
    }
    const counters = this.named.get(actor)
    if (counters) counters.add(counter)
    else this.named.set(actor, new Set([counter]))
    return NOT_OWN
  }
}
