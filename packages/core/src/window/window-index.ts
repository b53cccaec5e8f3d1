import { type EntryKey, entryKey, indexOfKey, nodeOfKey } from '../base/entry-key.js'
import type { Node } from '../base/node.js'
import { isEngineKind } from '../refs/engine-kinds.js'
import { toldId, withIds } from '../messages/tool-ids.js'
import { type ToolEnd, ToolPairs } from '../messages/tool-pairs.js'
import type { Message } from '../messages/window-message.js'
import type { Rendered } from '../messages/window-shapes.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'
import type { Entry } from '../set/entry.js'
import { type Renderers, renderEntry } from '../definitions/window-render.js'
import type { TokenCounter } from './window-options.js'

export interface Lack {
  readonly text: string
  /** Whether it may have been here: of what is erased nobody knows whether it was a call or a result, and of which id. */
  readonly mayBeErased: boolean
}

/** Entries that are in a window together or not at all: a tool call with its results, or one entry (WIN-2). */
export interface Unit {
  /** In the order of branches. */
  readonly keys: readonly EntryKey[]
  /** What it lacks to be whole; undefined when it lacks nothing. */
  readonly lacks: Lack | undefined
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
  readonly #ends = new Map<string, NamedEnd[]>()
  readonly #endsAt = new Map<EntryKey, readonly NamedEnd[]>()
  /** By id, from when a unit that bears it was first asked for. */
  readonly #pairs = new Map<string, ToolPairs<EntryKey, NamedEnd>>()
  readonly #units = new Map<EntryKey, Unit>()
  readonly #erased: EntryKey[] = []

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

  /**
   * What an entry of a whole unit says: calls that bear one id by an id each, and a result by that of its call.
   * @param unfit what ids must not hold
   */
  told(key: EntryKey, unfit: RegExp | undefined): readonly Message[] {
    const { messages } = this.rendered(key)
    const ends = this.#endsAt.get(key)
    if (ends === undefined) return messages
    return withIds(
      messages,
      ends.map(end => {
        const pairs = this.#pairsOf(end.id)
        const call = end.side === 'call' ? end : pairs.partnerOf(end)!
        return toldId({ ...call, entry: this.entry(call.at).id }, call === pairs.first, unfit)
      }),
    )
  }

  ofKind(kind: string): readonly EntryKey[] {
    return this.#byKind.get(kind) ?? []
  }

  /** Whether an entry holds a call or a result, and may be bound to others. */
  isTool(key: EntryKey): boolean {
    return this.#endsAt.has(key)
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
    const ends = entries.map((entry, index) =>
      endsOf(entryKey(node, index), renderEntry(entry, this.renderers)),
    )
    for (const [index, { kind, erased }] of entries.entries()) {
      const key = entryKey(node, index)
      if (erased && !isEngineKind(kind)) this.#addErased(key)
      const keys = this.#byKind.get(kind)
      if (keys) keys.push(key)
      else this.#byKind.set(kind, [key])
      if (ends[index]!.length > 0) this.#addEnds(key, ends[index]!)
    }
  }

  /** It may be what some units lack. */
  #addErased(key: EntryKey): void {
    this.#erased.push(key)
    this.#units.clear()
  }

  #addEnds(key: EntryKey, ends: readonly NamedEnd[]): void {
    this.#endsAt.set(key, ends)
    for (const [id, own] of byId(ends)) {
      const others = this.#ends.get(id) ?? []
      this.#ends.set(id, others)
      const pairs = this.#pairs.get(id)
      if (pairs) {
        const turned = pairs.append(own)
        if (turned === undefined) this.#pairs.delete(id)
        for (const { at } of turned ?? others) this.#forget(at)
      }
      for (const end of own) others.push(end)
    }
  }

  /** Lets go of the unit that an entry was in. */
  #forget(key: EntryKey): void {
    for (const each of this.#units.get(key)?.keys ?? []) this.#units.delete(each)
  }

  #findUnit(key: EntryKey): Unit {
    const bound = new Set([key])
    for (const each of bound) {
      for (const end of this.#endsAt.get(each) ?? []) {
        const partner = this.#pairsOf(end.id).partnerOf(end)
        if (partner) bound.add(partner.at)
      }
    }
    const keys = [...bound].sort((a, b) => this.#compare(a, b))
    return { keys, lacks: this.#lacking(keys), sizes: new WeakMap() }
  }

  #lacking(keys: readonly EntryKey[]): Lack | undefined {
    let found: Lack | undefined
    for (const end of keys.flatMap(key => this.#endsAt.get(key) ?? [])) {
      const pairs = this.#pairsOf(end.id)
      if (pairs.partnerOf(end) !== undefined) continue
      const lack = this.#lackOf(end, pairs.hasAny)
      if (lack.mayBeErased) return lack
      found ??= lack
    }
    return found
  }

  #lackOf(end: NamedEnd, hasOthers: boolean): Lack {
    const { id, side } = end
    if (side === 'result' && hasOthers) return { text: `call ${id} has another result`, mayBeErased: false }
    const mayBeErased = this.#mayBeErased(end)
    if (side === 'result') return { text: `there is no call ${id}${mayBeErased ? HERE : ''}`, mayBeErased }
    return { text: `call ${id} has no result${mayBeErased ? HERE : ' yet'}`, mayBeErased }
  }

  /** Whether something is erased that may have been its other end: no result comes before its call. */
  #mayBeErased({ at, side }: ToolEnd<EntryKey>): boolean {
    return this.#erased.some(other => {
      const [call, result] = side === 'call' ? [at, other] : [other, at]
      return !this.#hidden.has(nodeOfKey(other)) && !this.#isBefore(result, call)
    })
  }

  #pairsOf(id: string): ToolPairs<EntryKey, NamedEnd> {
    const known = this.#pairs.get(id)
    if (known) return known
    const shown = this.#ends.get(id)!.filter(({ at }) => !this.#hidden.has(nodeOfKey(at)))
    const pairs = new ToolPairs<EntryKey, NamedEnd>(shown, {
      compare: (a, b) => this.#compare(a, b),
      isBefore: (a, b) => this.#isBefore(a, b),
    })
    this.#pairs.set(id, pairs)
    return pairs
  }

  #isBefore(a: EntryKey, b: EntryKey): boolean {
    const [x, y] = [nodeOfKey(a), nodeOfKey(b)]
    return x === y ? a <= b : this.set.dag.isAncestor(x, y)
  }

  #compare(a: EntryKey, b: EntryKey): number {
    return this.set.tree.compare(nodeOfKey(a), nodeOfKey(b)) || a - b
  }
}

const HERE = ' here: it may have been erased'

interface NamedEnd extends ToolEnd<EntryKey> {
  readonly id: string
  /** As which of those that its entry holds. */
  readonly nth: number
}

function endsOf(at: EntryKey, { messages }: Rendered): NamedEnd[] {
  const ends: NamedEnd[] = []
  for (const part of messages.flatMap(({ parts }) => parts)) {
    if (part.type !== 'tool-call' && part.type !== 'tool-result') continue
    ends.push({ at, id: part.id, side: part.type === 'tool-call' ? 'call' : 'result', nth: ends.length })
  }
  return ends
}

function byId(ends: readonly NamedEnd[]): ReadonlyMap<string, readonly NamedEnd[]> {
  const grouped = new Map<string, NamedEnd[]>()
  for (const end of ends) {
    const others = grouped.get(end.id)
    if (others) others.push(end)
    else grouped.set(end.id, [end])
  }
  return grouped
}

function sameKeys(a: ReadonlyMap<Node, unknown>, b: ReadonlyMap<Node, unknown>): boolean {
  if (a.size !== b.size) return false
  for (const key of a.keys()) if (!b.has(key)) return false
  return true
}
