import {
  Admission,
  BranchWriter,
  type Change,
  ChangeSet,
  type ConflictValue,
  digest,
  isWeftError,
  type Json,
  jsonEquals,
  lastWriters,
  namesItem,
  Staleness,
  valueAt,
} from '@weft/core'
import { describe, expect, test } from 'vitest'
import { forged } from '../support/core-forge.ts'
import { conflictsOf, replicaOf, stateOf } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { comesUp, holds, madeOnce, seededHost, sha256 } from '../support/core-property.ts'
import {
  type Item,
  type ListHistory,
  type ListPlan,
  listPlans,
  type Played,
  playLists,
} from '../support/list-history.ts'
import { expectClosure, expectSameInAnyOrder, setOf } from '../support/staleness-checks.ts'
import { causally } from '../support/staleness-oracle.ts'

const playedLists = madeOnce((plan: ListPlan) => playLists(plan))

/** What only read, and whether something else is to be read there now. */
function readsOf({ played }: ListHistory, now: Json): { read: Played; pointer: string; isSame: boolean }[] {
  return played.flatMap(read => {
    if (read.change.header.writes.length > 0) return []
    return read.pointers.map(pointer => {
      return { read, pointer, isSame: jsonEquals(valueAt(read.before, pointer), valueAt(now, pointer)) }
    })
  })
}

describe('what was read of a list', () => {
  test('[STL-2] [STL-3] is stale when something else stands there now, whoever had seen what', () => {
    let [changed, fresh] = [0, 0]
    holds(
      listPlans(),
      plan => {
        const history = playedLists(plan)
        const set = replicaOf(history.changes)
        const staleness = new Staleness(set, set.everything())
        for (const { read, isSame } of readsOf(history, stateOf(set))) {
          const isStale = staleness.why(`${read.change.id}.0`) !== undefined
          expect(isStale || isSame).toBe(true)
          if (!isSame) changed++
          else if (!isStale) fresh++
        }
      },
      150,
    )
    comesUp(changed, 45)
    comesUp(fresh, 30)
  })

  test('[STL-2] [STL-3] [STL-5] is stale for the reasons that the law gives, alike in any order of arrival', () => {
    holds(
      listPlans(),
      plan => {
        const { changes } = playedLists(plan)
        const set = setOf(changes)
        expectClosure(set, set.everything(), changes)
        expectSameInAnyOrder(changes, plan.seed)
      },
      120,
    )
  })

  test('[DUR-6] [STP-3] is no ground to rely on when something else stands there now', () => {
    let [refused, taken] = [0, 0]
    holds(
      listPlans(),
      plan => {
        const history = playedLists(plan)
        const admission = new Admission(sha256)
        for (const change of history.changes) admission.restore(change, 0)
        for (const { read, pointer, isSame } of readsOf(history, stateOf(replicaOf(history.changes)))) {
          const lie = { actor: 'ab'.repeat(16), seq: 1, state: null, writes: ['ext:x'], reads: [], notes: {} }
          const heads: never[] = []
          const offered = forged(read.change, lie)
          const isTaken = isLetIn(() => admission.check(offered, 0, { heads, unmoved: [`state:${pointer}`] }))
          expect(!isTaken || isSame).toBe(true)
          if (isTaken) taken++
          else refused++
        }
      },
      180,
    )
    comesUp(Math.min(refused, taken), 30)
  })

  test('[DUR-6] has other last writers when something else stands there now', () => {
    let changed = 0
    holds(
      listPlans(),
      plan => {
        const history = playedLists(plan)
        const set = replicaOf(history.changes)
        for (const { read, pointer, isSame } of readsOf(history, stateOf(set))) {
          const then = lastWriters(set, set.viewAt(set.nodes(read.change.header.deps)), pointer)
          if (isSame) continue
          expect(lastWriters(set, set.everything(), pointer)).not.toEqual(then)
          changed++
        }
      },
      180,
    )
    comesUp(changed, 45)
  })

  test('[CHG-4] [DUR-6] has the same last writers in any order of arrival', () => {
    const [one, other] = [1, 2].map(
      seed => new BranchWriter(new ChangeSet(sha256), seededHost(seed), 'main', `agent-${seed}`),
    ) as [BranchWriter, BranchWriter]
    const base = one.write({ state: { plan: { list: ['a', 'b', 'c'] } } })!
    other.set.add(base)
    const edit = one.write({ state: { plan: { list: ['A', 'b', 'c'] } } })!
    const cover = one.write({ state: { plan: 'none' } })!
    const move = other.write({ state: { plan: { list: ['new', 'a', 'b', 'c'] } } })!
    const last = other.write({ state: { plan: { list: ['new', 'a', 'B', 'c'] } } })!
    for (const { state } of [one, other]) state.free()
    const changes = [base, edit, cover, move, last]
    for (let seed = 0; seed < 20; seed++) {
      const set = new ChangeSet(sha256)
      // As it grows: what was covered meanwhile counts all the same.
      for (const change of causally(changes, seed)) {
        set.add(change)
        lastWriters(set, set.everything(), '/plan/list/1')
      }
      // Who moved the items and who edited the first one had not seen each other, so that the last edit may be of any.
      expect(lastWriters(set, set.everything(), '/plan/list/1')).toEqual([cover.id, last.id].sort())
    }
  })

  test('[DUR-6] [STL-5] may be more than a call can have arguments', () => {
    const [writer, other] = [1, 2].map(
      seed => new BranchWriter(new ChangeSet(sha256), seededHost(seed), 'main', `agent-${seed}`),
    ) as [BranchWriter, BranchWriter]
    const base = writer.write({ state: { list: [0, 1] } })!
    other.set.add(base)
    const late = other.write({ state: { list: [9, 1] } })!
    writer.write({ state: { list: [7, 0, 1] } })
    const perChange = 1_024
    const count = 128 * perChange
    for (let at = 0; at < count; at += perChange) {
      const some = Array.from({ length: perChange }, (_, index) => `/list/1/${(at + index).toString(36)}`)
      const reads = some.map(pointer => ({ ref: `state:${pointer}` }))
      writer.write({ entries: [{ kind: 'note', value: 0 }], reads, touches: some })
    }
    const staleness = new Staleness(writer.set, writer.set.everything())
    expect(staleness.count).toBe(0)
    // It goes by the index of a list into which nothing was put yet: the item that it is to is the one that was read.
    writer.set.add(late)
    expect(staleness.count).toBe(count / perChange)
    expect(lastWriters(writer.set, writer.set.everything(), '/list/1')).toContain(late.id)
    for (const { state } of [writer, other]) state.free()
  })

  test('[STL-2] is as fresh as before when others push, pop or edit other items', () => {
    holds(
      listPlans(8, 1),
      plan => {
        const acts = plan.acts.map(act => ({ ...act, edits: act.edits.map(tame) }))
        const history = playLists({ ...plan, acts })
        const set = replicaOf(history.changes)
        const staleness = new Staleness(set, set.everything())
        const now = stateOf(set)
        for (const { read, pointer, isSame } of readsOf(history, now)) {
          // Of the last items of the base, which others may take off, nothing is said.
          if (!isSame || !pointer.startsWith('/list/0/n')) continue
          expect(staleness.why(`${read.change.id}.0`)?.causes ?? []).toEqual(causesAt(history, pointer, read))
        }
      },
      150,
    )
  })
})

/** A push, or an edit of a field. */
function tame(edit: { what: number; at: number; value: number }) {
  return { ...edit, what: edit.what % 2 === 0 ? 0 : 11 }
}

/** Nothing of what is tame touches the field of the first item but who writes that field. */
function causesAt({ played }: ListHistory, pointer: string, { change }: Played): unknown[] {
  return played.flatMap(other => {
    const { writes } = other.change.header
    return other.change !== change && writes.includes(`state:${pointer}`) ? [expect.anything()] : []
  })
}

function isLetIn(act: () => void): boolean {
  try {
    act()
    return true
  } catch (error) {
    if (isWeftError(error) && error.code === 'WEFT_PRECONDITION') return false
    throw error
  }
}

/** What one act did to an item, by its id: told from the states before and after it, as items have ids. */
interface Touch {
  readonly by: Change
  readonly id: string
  /** A field that it set, its list, or undefined for the item that it took out. */
  readonly field: 'n' | 'm' | 'sub' | undefined
  readonly value: Json | undefined
}

function touchesOf({ change, before, after }: Played): Touch[] {
  const items = (state: Json): Map<string, Item> =>
    new Map((state as unknown as { list: Item[] }).list.map(item => [item.id, item]))
  const left = items(after)
  return [...items(before)].flatMap(([id, item]): Touch[] => {
    const now = left.get(id)
    if (now === undefined) return [{ by: change, id, field: undefined, value: undefined }]
    const fields = (['n', 'm', 'sub'] as const).filter(field => !jsonEquals(item[field], now[field]))
    return fields.map(field => ({ by: change, id, field, value: now[field] }))
  })
}

/** Whether two that had not seen each other are at odds on an item. */
function areAtOdds(a: Touch, b: Touch, oracle: Oracle): boolean {
  if (a.id !== b.id || !oracle.concurrent(a.by.id, b.by.id)) return false
  if (a.field === undefined || b.field === undefined) return a.field !== b.field
  return a.field === b.field && a.field !== 'sub' && !jsonEquals(a.value, b.value)
}

function isTold({ by, field, value }: Touch, told: ConflictValue): boolean {
  return told.change === by.id && (field === 'sub' || jsonEquals(told.value, value))
}

/** Whether somebody who had seen it wrote to the same, or took the item out. */
function isCovered(touch: Touch, all: readonly Touch[], oracle: Oracle): boolean {
  return all.some(
    later =>
      later.id === touch.id &&
      (later.field === undefined || later.field === touch.field) &&
      oracle.isAncestor(touch.by.id, later.by.id),
  )
}

describe('items of lists', () => {
  test('[MRG-2] that two wrote to beside each other are in conflict, wherever they stand by now, and no others are', () => {
    let [odds, moved, gone] = [0, 0, 0]
    holds(
      listPlans(12, 3),
      plan => {
        const { changes, played } = playedLists(plan)
        const oracle = new Oracle(changes)
        const set = replicaOf(changes)
        const now = stateOf(set)
        const ids = (now as unknown as { list: Item[] }).list.map(({ id }) => id)
        const touches = played.flatMap(touchesOf)
        const open = touches.filter(touch => !isCovered(touch, touches, oracle))
        const conflicts = conflictsOf(set).filter(({ pointer }) => pointer.startsWith('/list/'))
        const expected = new Set<string>()
        for (const [index, a] of open.entries()) {
          for (const b of open.slice(index + 1)) {
            if (!areAtOdds(a, b, oracle)) continue
            odds++
            const field = a.field !== undefined && b.field !== undefined ? `/${a.field}` : ''
            const at = ids.indexOf(a.id)
            if (at < 0) gone++
            else if (at !== 'abc'.indexOf(a.id)) moved++
            // Nothing but its values tells one item that is gone from another.
            const found = conflicts.filter(({ pointer, values }) => {
              const isThere = at < 0 ? namesItem(pointer) : pointer === `/list/${at}${field}`
              return isThere && [a, b].every(touch => values.some(value => isTold(touch, value)))
            })
            expect(found, `${a.id}${field} at ${at} in ${JSON.stringify(conflicts)}`).not.toEqual([])
            for (const { pointer, winner } of found) {
              expect(winner).toEqual(at < 0 ? undefined : valueAt(now, pointer))
              expected.add(pointer)
            }
          }
        }
        const others = conflicts.filter(
          ({ pointer }) => !expected.has(pointer) && !/\/sub(\/|$)/.test(pointer),
        )
        expect(others).toEqual([])
      },
      150,
    )
    comesUp(odds, 60)
    comesUp(moved, 15)
    comesUp(gone, 7)
  })

  test('[CHG-4] [MRG-2] give the same conflicts and the same digest on every replica', () => {
    holds(
      listPlans(),
      plan => {
        const { changes } = playedLists(plan)
        const one = replicaOf(changes)
        const other = replicaOf(causally(changes, plan.seed))
        expect(conflictsOf(other)).toEqual(conflictsOf(one))
        expect(digest(other, sha256)).toBe(digest(one, sha256))
      },
      120,
    )
  })
})
