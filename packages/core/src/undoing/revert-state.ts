import type { ChangeId } from '../base/ids.js'
import {
  isJsonArray,
  type Json,
  type JsonObject,
  parsePointer,
  pointersTouch,
  valueAt,
} from '../base/json.js'
import type { Node } from '../base/node.js'
import { placesIn } from '../refs/ref.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'
import type { StateDoc } from '../state/state-doc.js'

/** A pointer that a revert writes: what it holds now, and what it will; undefined where there is nothing. */
export interface RevertedPointer {
  readonly pointer: string
  readonly from: Json | undefined
  readonly to: Json | undefined
}

/** A pointer that a revert leaves alone, for others have written it since, or beside what is reverted. */
export interface KeptPointer {
  readonly pointer: string
  /** Their changes; none when there is no longer anything to write the pointer into. */
  readonly by: readonly ChangeId[]
}

/** Which changes are reverted, before and after a revert. */
export interface Turn {
  readonly before: ReadonlyMap<Node, unknown>
  readonly after: ReadonlyMap<Node, unknown>
}

interface Write {
  readonly node: Node
  readonly pointer: string
  /** The pointer is that of a whole list: its items have no names that last. */
  readonly list: boolean
}

/**
 * What a revert does to the state, pointer by pointer: each gets the value that the changes which are not reverted give
 * it. Reverts' own writes are no writes here, so that one can be taken back under another.
 */
export class RevertedState {
  readonly #writes: readonly Write[]

  constructor(
    private readonly set: ChangeSet,
    private readonly view: View,
    private readonly state: StateDoc,
    private readonly turn: Turn,
  ) {
    this.#writes = this.#collect()
  }

  /** By pointer; what lies below a restored pointer comes with it and is not named. */
  plan(): { pointers: RevertedPointer[]; kept: KeptPointer[] } {
    const now = this.state.read()
    const pointers: RevertedPointer[] = []
    const kept: KeptPointer[] = []
    const turned = this.#writes.filter(write => this.#turns(write.node))
    for (const pointer of [...new Set(turned.map(write => write.pointer))].sort()) {
      if (pointers.some(above => isAbove(above.pointer, pointer))) continue
      const touching = this.#writes.filter(write => pointersTouch(write.pointer, pointer))
      const rivals = this.#rivals(touching, pointer)
      if (rivals === undefined) continue
      const standing = touching.filter(({ node }) => !this.turn.after.has(node))
      const last = this.#open(standing)
      const to = rivals.length === 0 ? this.#valueOf(pointer, touching, standing, last) : undefined
      if (to === undefined) kept.push({ pointer, by: this.#changes(rivals.length > 0 ? rivals : last) })
      else if (!hasParent(now, pointer)) kept.push({ pointer, by: [] })
      else pointers.push({ pointer, from: valueAt(now, pointer), to: to.value })
    }
    return { pointers, kept }
  }

  #collect(): Write[] {
    const now = this.state.read()
    const writes: Write[] = []
    for (const node of this.view.arrived) {
      if (this.set.reverts.has(node)) continue
      for (const pointer of placesIn(this.set.change(node).header.writes)) {
        const list = this.#listAt(node, pointer, now)
        writes.push({ node, pointer: list ?? pointer, list: list !== undefined })
      }
    }
    return writes
  }

  /** The list that a written pointer reaches into. */
  #listAt(node: Node, pointer: string, now: JsonObject): string | undefined {
    for (const { index, 1: key } of pointer.matchAll(ITEM_OR_END)) {
      const parent = pointer.slice(0, index)
      if (key!.startsWith('~')) return parent
      const value = valueAt(now, parent)
      const container = typeof value === 'object' && value !== null
      const held = container ? value : this.state.readAfter(node, parent)
      if (held !== undefined && isJsonArray(held)) return parent
    }
    return undefined
  }

  #turns(node: Node): boolean {
    return this.turn.before.has(node) !== this.turn.after.has(node)
  }

  /** Writes that the revert must not undo; undefined when a write above the pointer has the say. */
  #rivals(touching: readonly Write[], pointer: string): Write[] | undefined {
    const { dag } = this.set
    const counted = touching.filter(({ node }) => this.#turns(node) || !this.turn.after.has(node))
    const own = counted.filter(write => this.#turns(write.node) && write.pointer === pointer)
    const open = this.#open(counted)
    const mine = own.filter(write => open.includes(write))
    const others = open.filter(write => !this.#turns(write.node))
    if (mine.length > 0) {
      return others.filter(({ node }) => !mine.every(write => dag.isAncestor(node, write.node)))
    }
    const later = others.filter(({ node }) => own.some(write => dag.isAncestor(write.node, node)))
    return later.length > 0 ? later : undefined
  }

  /** The writes that no later one to their pointer, or above it, has in its past. `writes` are in causal order. */
  #open(writes: readonly Write[]): Write[] {
    let open: Write[] = []
    for (const write of writes) {
      open = open.filter(
        earlier =>
          !(write.pointer === earlier.pointer || isAbove(write.pointer, earlier.pointer)) ||
          !this.set.dag.isAncestor(earlier.node, write.node),
      )
      open.push(write)
    }
    return open
  }

  /** What the changes that stand give a pointer; undefined for a list whose items can no longer be told apart. */
  #valueOf(
    pointer: string,
    touching: readonly Write[],
    standing: readonly Write[],
    last: readonly Write[],
  ): { value: Json | undefined } | undefined {
    if (last.length === 0) return { value: undefined }
    const nodes = [...new Set(last.map(write => write.node))]
    if (this.#knewAll(nodes, touching)) return { value: this.state.readAt(nodes, pointer) }
    return touching.some(write => write.list) ? undefined : this.#replay(standing, pointer)
  }

  /** Whether the authors of these changes saw what touches the pointer as it stands now, and nothing else. */
  #knewAll(nodes: readonly Node[], touching: readonly Write[]): boolean {
    const seen = this.set.viewAt(nodes)
    const reverted = this.set.reverts.standing(seen)
    return touching.every(({ node }) => !seen.has(node) || reverted.has(node) === this.turn.after.has(node))
  }

  /** Undefined where that would write into a list: a map that somebody put in its place is there no more, or is not yet. */
  #replay(standing: readonly Write[], pointer: string): { value: Json | undefined } | undefined {
    const depth = parsePointer(pointer).length
    let value: Json | undefined
    for (const write of [...standing].sort((a, b) => this.set.tree.compare(a.node, b.node))) {
      const whole = write.pointer === pointer || isAbove(write.pointer, pointer)
      const written = this.state.readAfter(write.node, whole ? pointer : write.pointer)
      const keys = parsePointer(write.pointer).slice(depth)
      if (!whole && goesIntoList(value, keys)) return undefined
      value = whole ? written : withValue(value ?? {}, keys, written)
    }
    return { value }
  }

  #changes(writes: readonly Write[]): ChangeId[] {
    const nodes = [...new Set(writes.map(write => write.node))]
    return nodes.sort((a, b) => this.set.tree.compare(a, b)).map(node => this.set.dag.id(node))
  }
}

/** The state with the pointers of a plan restored. */
export function withPointers(state: JsonObject, pointers: readonly RevertedPointer[]): JsonObject {
  let next: Json = state
  for (const { pointer, to } of pointers) next = withValue(next, parsePointer(pointer), to)
  return next as JsonObject
}

/** What an item of a list, or its end, may be named by; a map may have such keys too. */
const ITEM_OR_END = /\/(\d+|-|~@[^/]+)(?=\/|$)/g

function isAbove(above: string, pointer: string): boolean {
  return pointer.startsWith(`${above}/`)
}

function hasParent(root: JsonObject, pointer: string): boolean {
  if (pointer === '') return true
  const parent = valueAt(root, pointer.slice(0, pointer.lastIndexOf('/')))
  return typeof parent === 'object' && parent !== null
}

/** `root` with `value` under these keys; undefined removes what is there, and makes the whole an empty object. */
function withValue(root: Json, keys: readonly string[], value: Json | undefined): Json {
  const [key, ...rest] = keys
  if (key === undefined) return value ?? {}
  const held: Record<string, Json> = isObject(root) ? { ...root } : {}
  const inner = rest.length === 0 ? value : withValue(held[key] ?? {}, rest, value)
  if (inner === undefined) delete held[key]
  else held[key] = inner
  return held
}

/** Whether one of these keys would be that of an item of a list. */
function goesIntoList(root: Json | undefined, keys: readonly string[]): boolean {
  let at = root
  for (const key of keys) {
    if (at === undefined || at === null || typeof at !== 'object') return false
    if (isJsonArray(at)) return true
    at = at[key]
  }
  return false
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !isJsonArray(value)
}
