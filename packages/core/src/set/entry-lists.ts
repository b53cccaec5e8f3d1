import type { FlattenOrder } from '../base/flatten-order.js'
import type { Node } from '../base/node.js'
import { isEngineKind } from '../refs/engine-kinds.js'
import type { View } from '../graph/view.js'
import type { Reverts } from '../notes/reverts.js'
import type { Entry } from './entry.js'

export interface EntriesOptions {
  /** Default `branches`. */
  readonly order?: FlattenOrder
  /** With the entries of changes that have been reverted. */
  readonly reverted?: boolean
  /** With the engine's own, such as the results of side effects. */
  readonly engine?: boolean
}

/** The entries of a view when it showed so many changes. */
interface Listed {
  readonly size: number
  readonly entries: readonly Entry[]
}

/**
 * The entries of views, flattened. An agent asks for them at every turn, and between two turns little has come, mostly at
 * the end: what was listed before is kept for as long as the view is, and gone on from.
 */
export class EntryLists {
  readonly #listed = new WeakMap<View, Map<string, Listed>>()

  constructor(
    private readonly reverts: Reverts,
    private readonly entriesOf: (node: Node) => readonly Entry[],
  ) {}

  /** @returns a frozen list, the same as long as the view shows the same */
  list(view: View, options: EntriesOptions): readonly Entry[] {
    const lists = this.#listed.get(view) ?? new Map<string, Listed>()
    this.#listed.set(view, lists)
    const { order = 'branches', reverted = false, engine = false } = options
    const key = `${order} ${reverted} ${engine}`
    const known = lists.get(key)
    if (known?.size === view.size) return known.entries
    const entries = (known && this.#goOn(known, view, options)) ?? this.#flatten(view, options)
    lists.set(key, { size: view.size, entries: Object.freeze(entries) })
    return entries
  }

  /** Undefined when what has come since is not all at the end, or may take something back. */
  #goOn({ size, entries }: Listed, view: View, options: EntriesOptions): Entry[] | undefined {
    if (options.order === 'interleaved') return undefined
    const fresh = new Set<Node>()
    for (let at = size; at < view.size; at++) {
      const node = view.arrived.at(at)
      // A revert takes back what came before it, so nothing else is reverted by what has come.
      if (this.reverts.has(node) && !options.reverted) return undefined
      fresh.add(node)
    }
    const last: Node[] = []
    for (const node of view.backwards()) {
      if (last.length === fresh.size) break
      if (!fresh.has(node)) return undefined
      last.push(node)
    }
    const more = last.reverse().flatMap(node => this.#shown(node, options))
    return more.length === 0 ? (entries as Entry[]) : [...entries, ...more]
  }

  #flatten(view: View, options: EntriesOptions): Entry[] {
    const hidden = options.reverted ? undefined : this.reverts.standing(view)
    const entries: Entry[] = []
    for (const node of view.flatten(options.order)) {
      if (!hidden?.has(node)) entries.push(...this.#shown(node, options))
    }
    return entries
  }

  #shown(node: Node, { engine }: EntriesOptions): readonly Entry[] {
    const entries = this.entriesOf(node)
    return engine ? entries : entries.filter(({ kind }) => !isEngineKind(kind))
  }
}
