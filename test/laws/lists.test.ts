import {
  Admission,
  BranchWriter,
  type Change,
  ChangeSet,
  type Conflict,
  type ConflictValue,
  decodeChange,
  digest,
  encodeUtf8,
  findConflicts,
  fromHex,
  isWeftError,
  type Json,
  jsonEquals,
  lastWriters,
  namesItem,
  StateDoc,
  Staleness,
  toHex,
  valueAt,
  type View,
} from '@weft/core'
import { describe, expect, test } from 'vitest'
import { codeOf, forged, framed, frameOf } from '../support/core-forge.ts'
import { replicaOf } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { comesUp, holds, seededHost, sha256 } from '../support/core-property.ts'
import { type Item, type ListHistory, listPlans, type Played, playLists } from '../support/list-history.ts'
import { expectClosure, expectSameInAnyOrder, setOf } from '../support/staleness-checks.ts'
import { causally } from '../support/staleness-oracle.ts'

function stateOf(set: ChangeSet, view: View = set.everything()): Json {
  const state = new StateDoc(set, view)
  try {
    return state.read()
  } finally {
    state.free()
  }
}

function conflictsOf(set: ChangeSet): Conflict[] {
  const state = new StateDoc(set, set.everything())
  try {
    return findConflicts(set, set.everything(), state)
  } finally {
    state.free()
  }
}

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
        const history = playLists(plan)
        const set = replicaOf(history.changes)
        const staleness = new Staleness(set, set.everything())
        for (const { read, isSame } of readsOf(history, stateOf(set))) {
          const isStale = staleness.why(`${read.change.id}.0`) !== undefined
          expect(isStale || isSame).toBe(true)
          if (!isSame) changed++
          else if (!isStale) fresh++
        }
      },
      500,
    )
    comesUp(changed, 150)
    comesUp(fresh, 100)
  })

  test('[STL-2] [STL-3] [STL-5] is stale for the reasons that the law gives, alike in any order of arrival', () => {
    holds(
      listPlans(),
      plan => {
        const { changes } = playLists(plan)
        const set = setOf(changes)
        expectClosure(set, set.everything(), changes)
        expectSameInAnyOrder(changes, plan.seed)
      },
      400,
    )
  })

  test('[DUR-6] [STP-3] is no ground to rely on when something else stands there now', () => {
    let [refused, taken] = [0, 0]
    holds(
      listPlans(),
      plan => {
        const history = playLists(plan)
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
      600,
    )
    comesUp(Math.min(refused, taken), 100)
  })

  test('[DUR-6] has other last writers when something else stands there now', () => {
    let changed = 0
    holds(
      listPlans(),
      plan => {
        const history = playLists(plan)
        const set = replicaOf(history.changes)
        for (const { read, pointer, isSame } of readsOf(history, stateOf(set))) {
          const then = lastWriters(set, set.viewAt(set.nodes(read.change.header.deps)), pointer)
          if (isSame) continue
          expect(lastWriters(set, set.everything(), pointer)).not.toEqual(then)
          changed++
        }
      },
      600,
    )
    comesUp(changed, 150)
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
      400,
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
        const { changes, played } = playLists(plan)
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
      500,
    )
    comesUp(odds, 200)
    comesUp(moved, 50)
    comesUp(gone, 25)
  })

  test('[CHG-4] [MRG-2] give the same conflicts and the same digest on every replica', () => {
    holds(
      listPlans(),
      plan => {
        const { changes } = playLists(plan)
        const one = replicaOf(changes)
        const other = replicaOf(causally(changes, plan.seed))
        expect(conflictsOf(other)).toEqual(conflictsOf(one))
        expect(digest(other, sha256)).toBe(digest(one, sha256))
      },
      200,
    )
  })
})

/** By what writes it; a door says that the whole change is malformed. */
const REFUSED = /^WEFT_(POINTER_INVALID|CHANGE_TOO_LARGE|CHANGE_MALFORMED)$/

/** One who puts an item in before that which both edit, and one who does not. */
function besideAnInsertion(): { base: Change; moving: Change; other: Change } {
  const writers = [1, 2].map(seed => {
    return new BranchWriter(new ChangeSet(sha256), seededHost(seed), 'main', `agent-${seed}`)
  })
  const [one, two] = writers as [BranchWriter, BranchWriter]
  const item = (id: string, n: number) => ({ id, n })
  const base = one.write({ state: { list: [item('a', 0), item('b', 0)] } })!
  two.set.add(base)
  const moving = one.write({ state: { list: [item('new', 0), item('a', 1), item('b', 0)] } })!
  const other = two.write({
    entries: [{ kind: 'note', value: 0 }],
    reads: [{ ref: 'state:/list/1/n' }],
    state: { list: [item('a', 2), item('b', 0)] },
  })!
  for (const { state } of writers) state.free()
  return { base, moving, other }
}

describe('headers', () => {
  test('[STL-2] name what they moved, and the ends of lists apart', () => {
    const writer = new BranchWriter(new ChangeSet(sha256), seededHost(1), 'main', 'agent')
    const write = (list: readonly Json[]) => {
      const { writes, notes } = writer.write({ state: { list } })!.header
      return [writes, notes.ends]
    }
    write([1, 2, 3])
    expect(write([1, 2, 3, 4])).toEqual([['state:/list/-'], ['/list/~>3']])
    expect(write([0, 1, 2, 3, 4])).toEqual([['state:/list/-', 'state:/list/~>0'], undefined])
    expect(write([0, 1, 3, 4])).toEqual([['state:/list/2', 'state:/list/~<2'], undefined])
    expect(write([0, 1, 3])).toEqual([['state:/list/3'], ['/list/~<3']])
    expect(write([0, 9, 3])).toEqual([['state:/list/1'], undefined])
    // Both ends at once: nothing that others know stands elsewhere but for those that were put in before it.
    expect(write([7, 0, 9])).toEqual([['state:/list/-', 'state:/list/2', 'state:/list/~>0'], ['/list/~<2']])
    writer.state.free()
  })

  test('[MRG-2] that name no moves, as they once did, are of items that are told apart all the same', () => {
    const { base, moving, other } = besideAnInsertion()
    expect(moving.header.writes).toContain('state:/list/~>0')
    const writes = moving.header.writes.filter(ref => !ref.includes('~'))
    const old = replicaOf([base, forged(moving, { writes }), other])
    const told = ({ pointer, values }: Conflict) => [pointer, values.map(({ value }) => value)]
    expect(conflictsOf(old).map(told)).toEqual([['/list/1/n', expect.arrayContaining([1, 2])]])
    const isStale = (set: ChangeSet) =>
      new Staleness(set, set.everything()).why(`${other.id}.0`) !== undefined
    // By the index alone nothing tells that another item stands there.
    expect([isStale(old), isStale(replicaOf([base, moving, other]))]).toEqual([false, true])
  })

  test.each([
    ['state:/list/~>'],
    ['state:/list/~>01'],
    ['state:/list/~>-1'],
    ['state:/list/~>1/n'],
    ['state:/list/~=1'],
    ['state:/list/~@1'],
    ['state:/list/~@1@zz'],
    ['state:/list/~2'],
    [`state:/~>99999999999`],
  ])('[CHG-5] that name %s as written are refused', ref => {
    const { base } = besideAnInsertion()
    expect(codeOf(() => forged(base, { writes: [ref] }))).toMatch(REFUSED)
  })

  test.each([
    [['/list']],
    [['/list/3']],
    [['/list/~>1', 7]],
    ['/list/~>1'],
    [['state:/list/~>1']],
    [['/list/~@1@00000000000000000000000000000000']],
  ])('[CHG-5] that say %j of the ends of lists are refused', ends => {
    const { base } = besideAnInsertion()
    expect(codeOf(() => forged(base, { notes: { ends } as never }))).toMatch(REFUSED)
  })

  test.each([
    '/~>x',
    '/~=0',
    '/~@0',
    '/~2>',
    '/~~0',
  ])('[CHG-5] that come with %s for a mark are refused', bad => {
    const { moving } = besideAnInsertion()
    const [header, entries, state] = frameOf(moving)
    const named = fromHex(toHex(header!).replace(toHex(encodeUtf8('/~>0')), toHex(encodeUtf8(bad))))
    expect(named).not.toEqual(header)
    const code = codeOf(() => decodeChange(framed([named, entries!, state!]), sha256))
    expect(code).toBe('WEFT_CHANGE_MALFORMED')
  })

  test.each([
    'state:/list/~>1',
    'state:/list/~@1@00000000000000000000000000000000',
  ])('[CHG-5] that say that %s was read are refused: nobody reads a mark', ref => {
    const { base } = besideAnInsertion()
    expect(codeOf(() => forged(base, { reads: [{ ref }] }))).toMatch(REFUSED)
  })
})
