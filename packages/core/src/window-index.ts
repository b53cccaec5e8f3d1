import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import type { Entry } from './entry.js'
import { type EntryKey, entryKey, indexOfKey, nodeOfKey } from './entry-key.js'
import { type Pair, pairTools, type ToolEnd } from './tool-pairs.js'
import type { View } from './view.js'
import type { TokenCounter } from './window-options.js'
import { type Renderers, renderEntry } from './window-render.js'
import type { Rendered } from './window-shapes.js'

/** Entries that are in a window together or not at all: a tool call with its results, or one entry (WIN-2). */
export interface Unit {
  /** In the order of branches. */
  readonly keys: readonly EntryKey[]
  /** What it lacks to be whole; undefined when it lacks nothing. */
  readonly lacks: string | undefined
  /** Counted once: tokens by form and flags. */
  readonly sizes: WeakMap<TokenCounter, Map<string, number>>
}

/** What windows need to know of a view, kept up to date as it grows: its units, and its entries by kind. */
export class WindowIndex {
  #caughtUp = 0
  /** Whether a revert has come. It takes back what came before it, so nothing else turns what is hidden. */
  #isTurned = false
  #hidden: ReadonlyMap<Node, readonly Node[]> = new Map()
  readonly #byKind = new Map<string, EntryKey[]>()
  /** Calls and results by the id that they bear. */
  readonly #ends = new Map<string, ToolEnd<EntryKey>[]>()
  readonly #idsOf = new Map<EntryKey, readonly string[]>()
  readonly #pairs = new Map<string, readonly Pair<EntryKey>[]>()
  readonly #units = new Map<EntryKey, Unit>()

  constructor(
    readonly set: ChangeSet,
    readonly view: View,
    private readonly renderers: Renderers,
  ) {}

  /** The changes that are reverted on the view, each with the reverts that stand against it. */
  get hidden(): ReadonlyMap<Node, readonly Node[]> {
    return this.#hidden
  }

  /** Takes in what the view has grown by. @throws WEFT_RENDER_FAILED */
  catchUp(): void {
    for (; this.#caughtUp < this.view.arrived.length; this.#caughtUp++) {
      const node = this.view.arrived.at(this.#caughtUp)
      this.#add(node)
      this.#isTurned ||= this.set.reverts.has(node)
    }
    if (!this.#isTurned) return
    this.#isTurned = false
    const hidden = this.set.reverts.standing(this.view)
    const isSame = sameKeys(hidden, this.#hidden)
    this.#hidden = hidden
    if (isSame) return
    this.#pairs.clear()
    this.#units.clear()
  }

  entry(key: EntryKey): Entry {
    return this.set.entriesOf(nodeOfKey(key))[indexOfKey(key)]!
  }

  /** @throws WEFT_RENDER_FAILED */
  rendered(key: EntryKey): Rendered {
    return renderEntry(this.entry(key), this.renderers)
  }

  ofKind(kind: string): readonly EntryKey[] {
    return this.#byKind.get(kind) ?? []
  }

  /** Whether an entry holds a call or a result, and may be bound to others. */
  isTool(key: EntryKey): boolean {
    return this.#idsOf.has(key)
  }

  /** The unit of an entry that is shown. */
  unitOf(key: EntryKey): Unit {
    const known = this.#units.get(key)
    if (known) return known
    const unit = this.#findUnit(key)
    for (const each of unit.keys) this.#units.set(each, unit)
    return unit
  }

  #add(node: Node): void {
    const entries = this.set.entriesOf(node)
    const ends = entries.map(entry => endsOf(renderEntry(entry, this.renderers)))
    for (const [index, { kind }] of entries.entries()) {
      const key = entryKey(node, index)
      const keys = this.#byKind.get(kind)
      if (keys) keys.push(key)
      else this.#byKind.set(kind, [key])
      if (ends[index]!.length > 0) this.#addEnds(key, ends[index]!)
    }
  }

  #addEnds(key: EntryKey, ends: readonly NamedEnd[]): void {
    this.#idsOf.set(key, [...new Set(ends.map(({ id }) => id))])
    for (const { id, side } of ends) {
      const others = this.#ends.get(id) ?? []
      for (const { at } of others)
        for (const each of this.#units.get(at)?.keys ?? []) this.#units.delete(each)
      others.push({ at: key, side })
      this.#ends.set(id, others)
      this.#pairs.delete(id)
    }
  }

  #findUnit(key: EntryKey): Unit {
    const keys = new Set([key])
    let lacks: string | undefined
    for (const each of keys) {
      for (const id of this.#idsOf.get(each) ?? []) {
        const pairs = this.#pairsOf(id)
        for (const { call, result } of pairs) {
          if (call.at === each) keys.add(result.at)
          if (result.at === each) keys.add(call.at)
        }
        lacks ??= this.#lacking(id, each, pairs)
      }
    }
    return { keys: [...keys].sort((a, b) => this.#compare(a, b)), lacks, sizes: new WeakMap() }
  }

  #lacking(id: string, key: EntryKey, pairs: readonly Pair<EntryKey>[]): string | undefined {
    for (const end of this.#ends.get(id) ?? []) {
      if (end.at !== key || pairs.some(({ call, result }) => call === end || result === end)) continue
      if (end.side === 'call') return `call ${id} has no result yet`
      return pairs.length === 0 ? `there is no call ${id}` : `call ${id} has another result`
    }
    return undefined
  }

  #pairsOf(id: string): readonly Pair<EntryKey>[] {
    const known = this.#pairs.get(id)
    if (known) return known
    const { dag } = this.set
    const shown = this.#ends.get(id)!.filter(({ at }) => !this.#hidden.has(nodeOfKey(at)))
    const pairs = pairTools(shown, {
      compare: (a, b) => this.#compare(a, b),
      isBefore: (a, b) => {
        const [x, y] = [nodeOfKey(a), nodeOfKey(b)]
        return x === y ? a <= b : dag.isAncestor(x, y)
      },
    })
    this.#pairs.set(id, pairs)
    return pairs
  }

  #compare(a: EntryKey, b: EntryKey): number {
    return this.set.tree.compare(nodeOfKey(a), nodeOfKey(b)) || a - b
  }
}

interface NamedEnd {
  readonly id: string
  readonly side: 'call' | 'result'
}

function endsOf({ messages }: Rendered): NamedEnd[] {
  return messages.flatMap(({ parts }) =>
    parts.flatMap((part): NamedEnd[] => {
      if (part.type === 'tool-call') return [{ id: part.id, side: 'call' }]
      return part.type === 'tool-result' ? [{ id: part.id, side: 'result' }] : []
    }),
  )
}

function sameKeys(a: ReadonlyMap<Node, unknown>, b: ReadonlyMap<Node, unknown>): boolean {
  if (a.size !== b.size) return false
  for (const key of a.keys()) if (!b.has(key)) return false
  return true
}
