import { type Change, ChangeSet, CommitIndex, committedHeads, headsAt } from '@weft/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { histories } from '../support/core-history.ts'
import { comesUp, holds, sha256 } from '../support/core-property.ts'

describe('[DUR-5] what is known of a log', () => {
  const step = fc.record({ keep: fc.nat(12), log: fc.array(fc.constantFrom('a', 'b'), { maxLength: 12 }) })

  it('says whether any of it was told otherwise since, and from where on', () => {
    let rewritten = 0
    holds(fc.array(step, { maxLength: 8 }), steps => {
      const index = new CommitIndex()
      const readers: { readonly told: string[]; readonly rewrites: number; changedAt: number }[] = []
      for (const { keep, log } of steps) {
        index.truncate(Math.min(keep, index.position))
        for (const letter of log) {
          const position = index.position + 1
          const id = letter.padEnd(56, '0') + String(position).padStart(8, '0')
          index.record(position, id)
          for (const reader of readers) {
            const before = reader.told[position - 1]
            if (before !== undefined && before !== id) reader.changedAt = Math.min(reader.changedAt, position)
          }
        }
        for (const { told, rewrites, changedAt } of readers) {
          const since = index.rewrittenSince(rewrites)
          if (changedAt < Number.POSITIVE_INFINITY) rewritten++
          expect(since <= told.length ? since : Number.POSITIVE_INFINITY).toBe(changedAt)
        }
        const told = Array.from({ length: index.position }, (_, at) => index.idAt(at + 1)!)
        readers.push({ told, rewrites: index.rewrites, changedAt: Number.POSITIVE_INFINITY })
      }
    })
    comesUp(rewritten, 100)
  })

  it('tells of ids alone, and of nothing that begins as one does or is spelled like one', () => {
    const index = new CommitIndex()
    const id = 'ab'.repeat(32)
    index.record(1, id)
    expect(index.positionOf(id)).toBe(1)
    for (const other of [`${id}00`, id.slice(2), id.toUpperCase(), '', 'no id'])
      expect(index.positionOf(other), other).toBeUndefined()
  })

  it('[ORD-1] shows the heads of each branch in any first part of it, however much has come since', () => {
    let several = 0
    holds(
      histories({ steps_max: 30 }),
      ({ changes }) => {
        const set = new ChangeSet(sha256)
        const index = new CommitIndex()
        for (const change of changes) set.add(change)
        // The last of them are here, and not in the log, which had them in another order than they came in.
        const logged = byLamport(changes).slice(0, Math.ceil((changes.length * 3) / 4))
        for (const [at, { id }] of logged.entries()) index.record(at + 1, id)
        for (const branch of set.branches.names()) {
          for (let position = 0; position <= logged.length; position++) {
            const heads = headsByHand(logged.slice(0, position), branch)
            if (heads.length > 1) several++
            expect(set.ids(headsAt(index, set, branch, position))).toEqual(heads)
            expect(set.ids(committedHeads(index, set, branch, position))).toEqual(heads)
          }
          expect(set.ids(committedHeads(index, set, branch))).toEqual(headsByHand(logged, branch))
        }
      },
      80,
    )
    comesUp(several, 100)
  })
})

/** In another order by cause: whoever made them, made them one after the other. */
function byLamport(changes: readonly Change[]): Change[] {
  return [...changes].sort((a, b) => a.header.lamport - b.header.lamport || (a.id < b.id ? -1 : 1))
}

/** The changes that carry a branch's name or fork it, but for those in the past of another such. */
function headsByHand(log: readonly Change[], branch: string): string[] {
  const pasts = new Map<string, Set<string>>()
  for (const { id, header } of log)
    pasts.set(id, new Set(header.deps.flatMap(dep => [dep, ...pasts.get(dep)!])))
  const own = log.filter(({ header }) => header.branch === branch || header.notes.forks?.includes(branch))
  return own
    .filter(({ id }) => !own.some(other => pasts.get(other.id)!.has(id)))
    .map(({ id }) => id)
    .sort()
}
