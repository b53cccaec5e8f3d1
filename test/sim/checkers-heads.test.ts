import { BranchWriter, type Change, ChangeSet } from '@weft/core'
import { heads, type Observation, placeOf } from '@weft/testkit'
import { describe, expect, it } from 'vitest'
import { lawsBroken } from '../support/sim-court.ts'
import { seededHost, sha256 } from '../support/core-property.ts'

const at = placeOf('acme', 'w')
/** As many as a simulated peer lets a branch have. */
const MANY = 4

const broken = (...seen: readonly Observation[]): string[] => lawsBroken(heads(), ...seen)

/** Changes of so many writers who know nothing of one another but the first, and one of somebody who knows all. */
function crowd(count: number, branch = 'main'): { all: Change[]; join: Change } {
  const [first] = [writer(0).write({ entries: [{ kind: 'note', value: 0 }] })!]
  const strangers = Array.from({ length: count }, (_, index) =>
    writer(index + 1, [first], branch).write({ entries: [{ kind: 'note', value: index }] }),
  )
  const all = [first, ...strangers] as Change[]
  return { all, join: writer(99, all, branch).write({ notes: { reason: 'joins them' } })! }
}

function writer(seed: number, seen: readonly Change[] = [], branch = 'main'): BranchWriter {
  const set = new ChangeSet(sha256)
  for (const change of seen) set.add(change)
  return new BranchWriter(set, seededHost(seed + 1), branch, 'agent')
}

const logOf = (changes: readonly Change[]): Observation[] =>
  changes.map((change, index) => ({ saw: 'durable', at, change, position: index + 1 }))
const end = (changes: readonly Change[]): Observation => ({
  saw: 'log',
  at,
  ids: changes.map(({ id }) => id),
})

describe('heads', () => {
  const { all, join } = crowd(MANY + 1)
  const [first, ...strangers] = all as [Change, ...Change[]]

  it('[CHG-2] passes a branch with as many as it may have, and one that is joined at once when it has one more', () => {
    const few = all.slice(0, -1)
    expect(broken(...logOf(few), end(few))).toEqual([])
    expect(broken(...logOf([...all, join]), end([...all, join]))).toEqual([])
  })

  it('[CHG-2] finds one that nobody joins, in the end or before the next change', () => {
    expect(broken(...logOf(all), end(all))).toEqual(['CHG-2'])
    const other = writer(50, [first], 'side').write({ entries: [{ kind: 'note', value: 1 }] })!
    expect(broken(...logOf([...all, other, join]))).toEqual(['CHG-2'])
  })

  it('passes a branch that many have forked and nobody has written to', () => {
    const forks = strangers.map((_, index) =>
      writer(index + 20, [first], `b${index}`).write({ notes: { forks: ['side'] } }),
    )
    expect(broken(...logOf([first, ...(forks as Change[])]))).toEqual([])
  })

  it('[CHG-2] counts what is left, and what comes anew, where the end of a log was lost', () => {
    const lost: Observation[] = all.slice(3).map((_, index) => ({ saw: 'lost', at, position: index + 4 }))
    const kept = [...logOf([...all, join]), { saw: 'lost', at, position: all.length + 1 }, ...lost] as const
    const again = (...changes: readonly Change[]): Observation[] =>
      changes.map((change, index) => ({ saw: 'durable', at, change, position: index + 4 }))
    expect(broken(...kept, ...again(strangers[3]!, strangers[4]!), end([]))).toEqual([])
    expect(broken(...kept, ...again(strangers[3]!, strangers[4]!, strangers[2]!), end([]))).toEqual(['CHG-2'])
  })
})
