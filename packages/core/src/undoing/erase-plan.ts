import { ABSENT } from '../base/cbor-cursor.js'
import { WeftError } from '../base/errors.js'
import { type ChangeId, changeOfEntry, type EntryId, entryId, indexOfEntry, isChangeId } from '../base/ids.js'
import { LIMITS } from '../base/limits.js'
import type { Node } from '../base/node.js'
import type { Hash } from '../base/ports.js'
import { entryOf, pointersOf } from '../refs/ref.js'
import { STAND_IN_KIND, standInFor, standInValue } from '../automerge/stand-in.js'
import type { ChangeSet } from '../set/change-set.js'
import type { BlastRadius } from '../staleness/stale.js'
import type { Write } from '../authors/branch-writer.js'
import { WEFT_AGENT } from '../authors/derived-change.js'
import { derivedFrom } from './derivation.js'
import { checkNotInForce } from './in-force.js'

/** What erasing would do, and what it would leave. Lists are in order. */
export interface ErasePlan {
  /** The changes whose content goes. A change is erased whole: its entries and what it wrote to the state. */
  readonly changes: readonly ChangeId[]
  readonly entries: readonly EntryId[]
  /** State pointers at which a value goes that was written there once. */
  readonly pointers: readonly string[]
  /** Changes that were named and are erased already. */
  readonly already: readonly ChangeId[]
  /** What was derived from what goes, and stays: it may hold a copy. */
  readonly derived: BlastRadius
}

export interface EraseOptions {
  /** Why, for people: up to 1,024 characters. It is not erased: name nothing in it that has to go. */
  readonly reason?: string
  /** Erases also what was derived from it. */
  readonly withDerived?: boolean
}

/**
 * What erasing the content of some changes comes to (ERA-1); writes nothing.
 * @param targets ids of changes or of entries
 * @returns the plan, and what the change has to write; nothing when all of it is erased already
 * @throws WEFT_ERASE_NOTHING · WEFT_ERASE_REFUSED · WEFT_ERASE_IN_FORCE · WEFT_CHANGE_UNKNOWN · WEFT_ENTRY_UNKNOWN ·
 *   WEFT_CHANGE_TOO_LARGE
 */
export function planErasure(
  set: ChangeSet,
  targets: readonly string[],
  { reason, withDerived = false }: EraseOptions,
  hash: Hash,
): { readonly plan: ErasePlan; readonly write: Write | undefined } {
  const chosen = new Set(targets.map(target => nodeOf(set, target)))
  for (const node of chosen) checkErasable(set, node)
  const derived = new Set(withDerived ? set.nodes(derivedFrom(set, chosen).changes) : [])
  for (const node of derived) if (hasContent(set, node)) chosen.add(node)
  const named = [...chosen].filter(node => hasContent(set, node)).sort((a, b) => set.tree.compare(a, b))
  if (named.length === 0) throw nothing()
  const fresh = named.filter(node => !set.erasures.has(set.dag.id(node)))
  if (fresh.length > LIMITS.erases_per_change_max) throw tooMany(fresh.length)
  const headers = fresh.map(node => set.change(node).header)
  const plan: ErasePlan = {
    changes: fresh.map(node => set.dag.id(node)),
    entries: fresh.flatMap((node, at) =>
      headers[at]!.kinds.map((_, index) => entryId(set.dag.id(node), index)),
    ),
    pointers: [...new Set(headers.filter(hasState).flatMap(({ writes }) => pointersOf(writes)))].sort(),
    already: named.filter(node => !fresh.includes(node)).map(node => set.dag.id(node)),
    derived: derivedFrom(set, new Set(named)),
  }
  if (fresh.length === 0) return { plan, write: undefined }
  const write = erasureOf(set, fresh, reason, hash)
  if (plan.pointers.length > 0) checkNotInForce(set, write, hash)
  return { plan, write }
}

/** What the change that erases these has to write, as an engine's own on `ERASURES_BRANCH`. @throws WEFT_ERASE_REFUSED */
export function erasureOf(
  set: ChangeSet,
  nodes: readonly Node[],
  reason: string | undefined,
  hash: Hash,
): Write {
  const entries = nodes.flatMap(node => {
    const change = set.change(node)
    if (change.state === null) return []
    return [{ kind: STAND_IN_KIND, value: standInValue(change.id, standInFor(change, hash)) }]
  })
  const notes = { erases: set.dag.packIds(nodes), ...(reason !== undefined && { reason }) }
  // An older log may hold something else on that branch: who depended on that would be refused for ever.
  return { entries, notes, at: set.maximal(set.nodes(set.erasures.erasing)) }
}

function nodeOf(set: ChangeSet, target: string): Node {
  const text = entryOf(target) ?? target
  if (isChangeId(text)) return set.dag.node(text)
  const node = set.dag.node(changeOfEntry(text))
  if (set.change(node).header.kinds[indexOfEntry(text)] !== undefined) return node
  throw new WeftError(
    'WEFT_ENTRY_UNKNOWN',
    `there is no entry ${text.slice(0, 80)}`,
    'name entries by the `id` that they are read with, or the change that holds them',
    { entry: text },
  )
}

function hasState({ stateHashAt }: { readonly stateHashAt: number }): boolean {
  return stateHashAt !== ABSENT
}

/** Whether there is, or was, something to erase. */
function hasContent(set: ChangeSet, node: Node): boolean {
  const { kinds, notes } = set.change(node).header
  return notes.erases === undefined && (kinds.length > 0 || hasState(set.change(node).header))
}

/** @throws WEFT_ERASE_REFUSED */
function checkErasable(set: ChangeSet, node: Node): void {
  const { agent, time, deps, notes } = set.change(node).header
  const isInitial = agent === WEFT_AGENT && time === 0 && deps.length === 0
  if (notes.erases === undefined && !isInitial) return
  const id = set.dag.id(node)
  throw new WeftError(
    'WEFT_ERASE_REFUSED',
    `change ${id.slice(0, 12)} ${isInitial ? 'is the initial state' : 'erases others'}, and cannot be erased`,
    isInitial
      ? 'what it holds stands in the definition of the context: change that, and write another value to the state'
      : 'it holds nothing of what it erases; its reason stays',
    { change: id },
  )
}

function nothing(): WeftError {
  return new WeftError(
    'WEFT_ERASE_NOTHING',
    'there is nothing to erase: what was named holds no entry and no write to the state',
    'name entries, or changes that hold some; headers stay: ids, kinds, pointers, refs, reasons',
  )
}

function tooMany(count: number): WeftError {
  return new WeftError(
    'WEFT_CHANGE_TOO_LARGE',
    `${count} changes are more than the ${LIMITS.erases_per_change_max} that can be erased at once`,
    'erase them in parts',
    { count },
  )
}
