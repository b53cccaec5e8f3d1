import { decodeChange } from '@automerge/automerge'
import type { Json } from '../base/json.js'
import type { Node } from '../base/node.js'
import type { ChangeSet } from '../set/change-set.js'
import { readablePlace } from './places.js'
import { StateDoc } from './state-doc.js'

/** A text that is not empty, or a number: what one value can be told from another by. */
export type Leaf = string | number

/** The texts and numbers that changes wrote to the state, as far as these are here: of what is erased nobody knows. */
export class WrittenLeaves {
  readonly #by = new Map<Node, ReadonlySet<Leaf>>()
  readonly #at = new Map<string, readonly Leaf[]>()
  #state: StateDoc | undefined

  constructor(private readonly set: ChangeSet) {}

  /** All that a change wrote. */
  by(node: Node): ReadonlySet<Leaf> {
    const { state } = this.set.change(node)
    if (state === null) return NONE
    const known =
      this.#by.get(node) ??
      new Set(decodeChange(state).ops.flatMap(op => leavesOf('value' in op ? op.value : undefined)))
    this.#by.set(node, known)
    return known
  }

  /** What it wrote at a pointer, or below it. */
  at(node: Node, pointer: string): readonly Leaf[] {
    const key = `${node} ${pointer}`
    const known = this.#at.get(key)
    if (known) return known
    const written = this.by(node)
    const leaves =
      written.size === 0 ? [] : leavesOf(this.after(node, pointer)).filter(leaf => written.has(leaf))
    this.#at.set(key, leaves)
    return leaves
  }

  /** What a pointer or a place (places.ts) held right after a change, whoever had written it. */
  after(node: Node, pointer: string): Json | undefined {
    return this.state.readAfter(node, readablePlace(pointer))
  }

  get state(): StateDoc {
    this.#state ??= new StateDoc(this.set, this.set.everything())
    return this.#state
  }

  /** Gives the memory of the state back. */
  free(): void {
    this.#state?.free()
    this.#state = undefined
  }
}

const NONE: ReadonlySet<never> = new Set()

/** True, false and null are in anybody's values, and so is an empty text. */
export function leavesOf(value: unknown): Leaf[] {
  if (typeof value === 'string') return value === '' ? [] : [value]
  if (typeof value === 'number') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leavesOf) : []
}
