import {
  Admission,
  BranchWriter,
  type Change,
  type ChangeId,
  ChangeSet,
  decodeChange,
  isWeftError,
  lastWriters,
  LIMITS,
  type Moved,
  parseRef,
  pointersOf,
  pointersTouch,
  touches,
  type WeftError,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { forged, packed } from '../support/core-forge.ts'
import { histories } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { comesUp, holds, pick, pickSome, seededHost, sha256 } from '../support/core-property.ts'

const nat = fc.nat(0xffff)
const REFS = [
  'state:',
  'state:/plan',
  'state:/plan/a',
  'state:/tone',
  'ext:doc/1@v1',
  'ext:doc/1',
  'ext:doc/2',
]

const cases = fc.record({
  history: histories({ steps_max: 18, edits: true }),
  /** Which of the log the author had seen, what it asks for, and what it expects of the heads. */
  seen: nat,
  refs: fc.integer({ min: 1, max: 127 }),
  touched: fc.array(fc.record({ on: nat, ref: nat }), { maxLength: 4 }),
  expected: nat,
})

/** What these changes show: themselves, and their pasts. */
function shownBy(ids: readonly ChangeId[], oracle: Oracle): Set<ChangeId> {
  return new Set(ids.flatMap(id => [id, ...oracle.past(id)]))
}

function touchedBy(text: string, wrote: string): boolean {
  return touches(parseRef(wrote), parseRef(text))
}

/** A log of a random history, in which some authors also said that something outside had changed. */
function logOf(history: readonly Change[], touched: readonly { on: number; ref: number }[]): Change[] {
  const log = [...history]
  for (const [index, { on, ref }] of touched.entries()) {
    const set = new ChangeSet(sha256)
    for (const change of log) set.add(decodeChange(change.bytes, sha256))
    const base = set.size === 0 ? [] : [on % set.size]
    const writer = new BranchWriter(
      set,
      seededHost(1_000 + index),
      pick(set.branches.names(), on),
      'toucher',
      base,
    )
    log.push(writer.write({ writes: [pick(REFS.slice(4), ref)] })!)
    writer.state.free()
  }
  return log
}

describe('preconditions', () => {
  it('[DUR-6] are decided as the set of what the author had not seen says, and name what stood in the way', () => {
    let refused = 0
    let taken = 0
    holds(
      cases,
      ({ history, seen, refs, touched, expected }) => {
        const changes = logOf(history.changes, touched)
        if (changes.length === 0) return
        const oracle = new Oracle(changes)
        const admission = new Admission(sha256)
        for (const change of changes) admission.restore(change, 0)
        const author = changes[seen % changes.length]!
        const change = forged(author, {
          actor: 'ab'.repeat(16),
          seq: 1,
          lamport: author.header.lamport + 1,
          deps: packed([author.id]),
          state: null,
          writes: [],
          reads: [],
          notes: {},
        })
        const { branch } = change.header
        const unmoved = pickSome(REFS, refs)
        const heads = [...admission.branches.heads(branch)].map(node => admission.dag.id(node))
        const pinned = expected % 3 === 0 ? heads : expected % 3 === 1 ? [author.id] : undefined
        const wanted = pinned && [{ branch, ids: pinned }]
        const error = refusalOf(() => admission.admit(change, 0, { heads: wanted ?? [], unmoved }))

        const known = shownBy([author.id], oracle)
        const visible = shownBy(heads, oracle)
        const unseen = changes.filter(({ id }) => !known.has(id))
        const guilty = unseen.flatMap(({ id, header }) => {
          const writes = [...new Set(header.writes)].filter(wrote =>
            unmoved.some(text => touchedBy(text, wrote) && (visible.has(id) || !text.startsWith('state:'))),
          )
          return writes.map(wrote => `${id} ${wrote}`)
        })
        const otherHeads = pinned !== undefined && [...pinned].sort().join() !== [...heads].sort().join()
        expect(error?.code).toBe(guilty.length > 0 || otherHeads ? 'WEFT_PRECONDITION' : undefined)
        expect(admission.dag.size).toBe(changes.length + (error ? 0 : 1))
        if (error) refused++
        else taken++
        if (!error) return
        const moved = (error.details.moved as Moved[]).map(({ change: id, wrote }) => `${id} ${wrote}`)
        if (guilty.length <= 16) expect(moved.toSorted()).toEqual(guilty.toSorted())
        else expect(guilty).toEqual(expect.arrayContaining(moved))
      },
      400,
    )
    comesUp(Math.min(refused, taken), 50, 'both answers are given often')
  })

  it('[DUR-6] tell of one write once, however often it is named, and are refused where more was written than is looked at', () => {
    const set = new ChangeSet(sha256)
    const host = seededHost(1)
    const admission = new Admission(sha256)
    const written = (...writes: string[]): Change => {
      const change = new BranchWriter(set, host, 'main', 'author').write({ writes })!
      admission.restore(change, 0)
      return change
    }
    const offered = (known: Change, unmoved: string[]): WeftError | undefined => {
      const at = [set.dag.node(known.id)]
      const change = new BranchWriter(set, host, 'side', 'late').seal({ writes: ['ext:mine'], at })!
      return refusalOf(() => admission.check(change, 0, { heads: [], unmoved }))
    }
    const first = written('ext:begin')
    written(...Array.from({ length: LIMITS.refs_per_change_max }, () => 'ext:a'))
    const refused = offered(first, ['ext:a', 'ext:a', 'ext:b', 'ext:a'])
    expect(refused?.details.moved).toEqual([{ ref: 'ext:a', wrote: 'ext:a', change: set.ids([1])[0] }])

    const many = Array.from({ length: LIMITS.refs_per_change_max - 1 }, (_, index) => `ext:${index}`)
    let last = first
    for (let changes = 0; changes < 9; changes++) last = written(...many, 'ext:often@v1')
    // The very version that was read is no news; but not all of them are looked through for that.
    expect(offered(first, ['ext:often@v1'])).toMatchObject({
      code: 'WEFT_PRECONDITION',
      message: expect.stringContaining('looked through') as string,
    })
    expect(offered(last, ['ext:often'])).toBeUndefined()
  })

  it('[DUR-6] the last writers of a pointer are those that no other write to it has in its past', () => {
    holds(
      fc.record({ history: histories({ steps_max: 25, edits: true }), pointer: nat }),
      ({ history, pointer: chosen }) => {
        const set = new ChangeSet(sha256)
        for (const change of history.changes) set.add(change)
        const pointer = pick(['', '/plan', '/plan/a', '/plan/b/deep', '/tone'], chosen)
        for (const branch of set.branches.names()) {
          const view = set.view(branch)
          const oracle = new Oracle([...view.arrived].map(node => set.change(node)))
          const writers = [...view.arrived]
            .map(node => set.change(node))
            .filter(({ header }) => pointersOf(header.writes).some(wrote => pointersTouch(wrote, pointer)))
          const last = writers.filter(
            ({ id }) => !writers.some(other => other.id !== id && oracle.past(other.id).has(id)),
          )
          expect(lastWriters(set, view, pointer)).toEqual(last.map(({ id }) => id).sort())
        }
      },
      150,
    )
  })
})

function refusalOf(act: () => void): WeftError | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    if (isWeftError(error)) return error
    throw error
  }
}
