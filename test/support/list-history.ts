import { BranchWriter, type Change, ChangeSet, type JsonObject } from '@weft/core'
import fc from 'fast-check'
import { pick, seededHost, sha256 } from './core-property.ts'

/**
 * Random histories of replicas that edit one list of items, sync now and then, and read some of it: so that what one does
 * moves what another reads and writes. An item has an id, so that a test can tell which it is wherever it stands.
 */
export interface Act {
  readonly replica: number
  /** From whom to take in what is known, before; of every third act nothing. */
  readonly sync: number
  readonly edits: readonly Edit[]
  /** Pointers to read at the state as it was before; none of an act that only writes. */
  readonly reads: number
}

export interface Edit {
  readonly what: number
  readonly at: number
  readonly value: number
}

export interface ListPlan {
  readonly seed: number
  readonly acts: readonly Act[]
}

const nat = fc.nat(0xffff)

export function listPlans(acts_max = 14, edits_max = 2): fc.Arbitrary<ListPlan> {
  return fc.record({
    seed: nat,
    acts: fc.array(
      fc.record({
        replica: nat,
        sync: nat,
        edits: fc.array(fc.record({ what: nat, at: nat, value: nat }), { maxLength: edits_max }),
        reads: nat,
      }),
      { minLength: 2, maxLength: acts_max, size: 'max' },
    ),
  })
}

/** What an act did: the change, what its author saw before, and after. */
export interface Played {
  readonly change: Change
  readonly before: JsonObject
  readonly after: JsonObject
  readonly pointers: readonly string[]
}

export type Item = { id: string; n: number; m: number; sub: string[] }
type State = { list: Item[]; tags: string[] }

export interface ListHistory {
  readonly base: Change
  readonly played: readonly Played[]
  readonly changes: readonly Change[]
}

/** @param replicas how many there are; of one nothing is concurrent */
export function playLists({ seed, acts }: ListPlan, replicas = 3): ListHistory {
  const host = seededHost(seed)
  const items = ['a', 'b', 'c'].map(id => item(id, 0))
  const writers = Array.from({ length: replicas }, (_, index) => {
    return new BranchWriter(new ChangeSet(sha256), host, 'main', `agent-${index}`)
  })
  const base = writers[0]!.write({ state: { list: items, tags: ['p', 'q', 'r'] } })!
  for (const { set } of writers) set.add(base)
  const played: Played[] = []
  let ids = 0
  for (const act of acts) {
    const writer = pick(writers, act.replica)
    if (act.sync % 3 > 0)
      for (const change of pick(writers, act.sync >> 4).set.changes()) writer.set.add(change)
    const before = writer.state.read()
    const next = structuredClone(before) as unknown as State
    for (const edit of act.edits) editList(next, edit, () => `i${ids++}`)
    const pointers = act.reads % 2 === 0 ? [pointerTo(before as unknown as State, act.reads >> 1)] : []
    const change = writer.write({
      entries: pointers.length > 0 ? [{ kind: 'note', value: 0 }] : [],
      state: next as unknown as JsonObject,
      reads: pointers.map(pointer => ({ ref: `state:${pointer}` })),
    })
    if (change) played.push({ change, before, after: writer.state.read(), pointers })
  }
  for (const writer of writers) writer.state.free()
  const all = new ChangeSet(sha256)
  for (const { set } of writers) for (const change of set.changes()) all.add(change)
  return { base, played, changes: all.changes() }
}

function item(id: string, n: number): Item {
  return { id, n, m: 0, sub: ['x', 'y'] }
}

function editList({ list, tags }: State, { what, at, value }: Edit, newId: () => string): void {
  const on = list[at % Math.max(1, list.length)]
  switch (what % 16) {
    case 0:
      list.push(item(newId(), value))
      return
    case 1:
      list.unshift(item(newId(), value))
      return
    case 2:
      list.splice(at % (list.length + 1), 0, item(newId(), value))
      return
    case 3:
      list.splice(at % Math.max(1, list.length), 1)
      return
    case 4:
      list.pop()
      return
    case 5:
      on?.sub.push(`v${value}`)
      return
    case 6:
      on?.sub.splice(value % 2, 1)
      return
    case 7:
      tags.splice(at % (tags.length + 1), 0, newId())
      return
    case 8:
      tags.splice(at % Math.max(1, tags.length), 1)
      return
    case 9:
      if (tags.length > 0) tags[at % tags.length] = newId()
      return
    default:
      if (on) on[what % 2 === 0 ? 'n' : 'm'] = value + 1
  }
}

/** Something to read: an item, something in one, or a tag. */
function pointerTo({ list, tags }: State, number: number): string {
  const at = (number >> 3) % Math.max(1, list.length)
  const forms = [
    `/list/${at}/n`,
    `/list/${at}/m`,
    `/list/${at}`,
    `/list/${at}/id`,
    `/list/${at}/sub/${(number >> 6) % 2}`,
    `/tags/${(number >> 3) % Math.max(1, tags.length)}`,
  ]
  return pick(forms, number)
}
