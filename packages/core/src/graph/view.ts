import type { FlattenOrder } from '../base/flatten-order.js'
import { IntList } from '../base/int-list.js'
import type { Node } from '../base/node.js'
import { SortedNodes } from '../base/sorted-nodes.js'
import type { Dag } from './dag.js'
import { flatten } from './flatten.js'
import type { OrderTree } from './order.js'

/** Beyond this many unplaced nodes (and a sixteenth of all) flattening anew is cheaper than placing each. */
const PLACE_MAX = 64

/**
 * The part of a context that some heads can see: those nodes and all their ancestors, flattened when it is read.
 * Grows with `include`, never shrinks.
 */
export class View {
  /** Visible nodes in a causal order: deps first. Append only, so a reader can keep an offset into it. */
  readonly arrived = new IntList()
  readonly #visible: number[] = []
  readonly #sorted: SortedNodes
  #placed = 0

  constructor(
    private readonly dag: Dag,
    private readonly tree: OrderTree,
    heads: Iterable<Node> = [],
  ) {
    this.#sorted = new SortedNodes((a, b) => tree.compare(a, b))
    this.include(heads)
  }

  get size(): number {
    return this.arrived.length
  }

  has(node: Node): boolean {
    return this.#visible[node] === 1
  }

  /** What it shows now, whatever it will grow by. */
  pinned(): { readonly arrived: { readonly length: number; at(index: number): Node } } {
    const { arrived } = this
    return { arrived: { length: arrived.length, at: index => arrived.at(index) } }
  }

  include(heads: Iterable<Node>): void {
    const found: Node[] = []
    this.dag.walk(heads, node => {
      if (this.has(node)) return false
      this.#show(node)
      found.push(node)
      return true
    })
    if (found.length > 1) found.sort((a, b) => a - b)
    for (const node of found) this.arrived.push(node)
  }

  /** As `include` of one head; cheap where all that it depends on is visible already, as when a branch goes on. */
  extend(head: Node): void {
    let all = !this.has(head)
    for (let i = this.dag.depCount(head) - 1; i >= 0 && all; i--) all = this.has(this.dag.dep(head, i))
    if (all) {
      this.#show(head)
      this.arrived.push(head)
    } else {
      this.include([head])
    }
  }

  #show(node: Node): void {
    while (this.#visible.length < node) this.#visible.push(0)
    this.#visible[node] = 1
  }

  /** The visible nodes in order (ORD-1, ORD-2). */
  flatten(order: FlattenOrder = 'branches'): Iterable<Node> & { readonly length: number } {
    if (order === 'interleaved') return flatten(this.dag, this.tree, node => this.has(node), order)
    this.#place()
    return this.#sorted
  }

  /** As `flatten`, from the end on; only as far as it is read, but for the interleaved order. */
  backwards(order: FlattenOrder = 'branches'): Iterable<Node> {
    if (order === 'interleaved') return [...this.flatten(order)].reverse()
    this.#place()
    return this.#sorted.backwards()
  }

  /** The place, from 0, of a visible node in that order (ORD-3: without flattening anew). */
  placeOf(node: Node): number {
    this.#place()
    return this.#sorted.indexOf(node)
  }

  #place(): void {
    const pending = this.size - this.#placed
    if (pending === 0) return
    if (pending > PLACE_MAX && pending > this.size / 16) {
      this.#sorted.reset(flatten(this.dag, this.tree, node => this.has(node), 'branches'))
    } else {
      for (let i = this.#placed; i < this.size; i++) this.#placeOne(this.arrived.at(i))
    }
    this.#placed = this.size
  }

  #placeOne(node: Node): void {
    const last = this.#sorted.last
    if (last === undefined || this.tree.parent(node) === last || this.tree.compare(last, node) < 0) {
      this.#sorted.push(node)
    } else {
      this.#sorted.insert(node)
    }
  }
}
