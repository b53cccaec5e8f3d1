import { BranchWriter, type Change, ChangeSet, parseRef, Staleness, touches } from '@weft/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { forged } from '../support/core-forge.ts'
import { holds, pick, pickSome, seededHost, sha256 } from '../support/core-property.ts'
import { expectClosure, expectRadii, expectSameInAnyOrder, setOf } from '../support/staleness-checks.ts'

const RUNS = Number(process.env.WEFT_STALENESS_RUNS ?? 1_500)
const POINTERS = ['', '/a', '/a/b', '/a/b/c', '/ab', '/d']
const SOURCES = ['ext:doc/1', 'ext:doc/1@v1', 'ext:doc/1@v2', 'ext:doc/2', 'overlay:rules@3']

interface Act {
  readonly replica: number
  readonly sync: number
  readonly entries: number
  readonly reads: number
  readonly earlier: number
  readonly writes: number
  readonly reverts: number
}

const nat = fc.nat(0xffff)
const graphs = fc.record({
  seed: nat,
  acts: fc.array(
    fc.record({
      replica: nat,
      sync: nat,
      entries: fc.nat(2),
      reads: nat,
      earlier: nat,
      writes: nat,
      reverts: nat,
    }),
    { minLength: 1, maxLength: 14 },
  ),
})

/** Three replicas that read refs and earlier entries, write refs, and sync now and then. */
function play({ seed, acts }: { seed: number; acts: readonly Act[] }): Change[] {
  const host = seededHost(seed)
  const replicas = [0, 1, 2].map(
    index => new BranchWriter(new ChangeSet(sha256), host, 'main', `agent-${index}`),
  )
  for (const act of acts) {
    const { set } = pick(replicas, act.replica)
    if (act.sync % 3 === 0) for (const change of pick(replicas, act.sync >> 4).set.changes()) set.add(change)
    const writer = pick(replicas, act.replica)
    const known = set.entries(set.everything())
    const earlier =
      known.length > 0 && act.earlier % 2 === 0 ? [`entry:${pick(known, act.earlier >> 1).id}`] : []
    const reads = [
      ...pickSome(POINTERS, act.reads >> 4)
        .slice(0, 2)
        .map(pointer => `state:${pointer}`),
      ...earlier,
    ]
    const sources = act.reads % 3 === 0 ? [pick(SOURCES, act.reads >> 3)] : []
    writer.write({
      entries: Array.from({ length: act.entries }, (_, index) => ({ kind: 'note', value: index })),
      reads: [...reads, ...sources].map((text, index) => ({ ...parseRef(text), ...target(act, index) })),
      touches: act.writes % 2 === 0 ? [pick(POINTERS, act.writes >> 1)] : [],
      writes: act.writes % 5 === 0 ? [pick(SOURCES, act.writes >> 2)] : [],
      notes: { reason: 'act', ...revertedBy(set, act) },
    })
  }
  const all = new ChangeSet(sha256)
  for (const { set } of replicas) for (const change of set.changes()) all.add(change)
  return [...all.changes()]
}

/** Some acts take back an earlier change, a revert among them. */
function revertedBy({ dag, size }: ChangeSet, { reverts }: Act): { reverts?: Uint8Array } {
  return size > 0 && reverts % 4 === 0 ? { reverts: dag.packIds([(reverts >> 2) % size]) } : {}
}

/** Some reads belong to one entry, some to the whole change. */
function target({ entries, reads }: Act, index: number): { entry?: number } {
  return entries > 0 && (reads + index) % 2 === 0 ? { entry: (reads + index) % entries } : {}
}

describe('staleness', () => {
  it('[STL-2] [STL-3] [STL-4] equals the closure by brute force', () => {
    holds(
      graphs,
      plan => {
        const changes = play(plan)
        const set = setOf(changes)
        expectClosure(set, set.everything(), changes)
      },
      RUNS,
    )
  })

  it('[STL-3] [STL-5] is the same in every order of arrival, and each stale entry is told once, when it becomes so', () => {
    holds(graphs, plan => expectSameInAnyOrder(play(plan), plan.seed), Math.ceil(RUNS / 5))
  })

  it('[STL-6] a blast radius is what reads the ref, and what reads that, and so on', () => {
    holds(
      graphs,
      plan =>
        expectRadii(play(plan), [
          ...POINTERS.map(pointer => `state:${pointer}`),
          'ext:doc/1',
          'ext:doc/1@v1',
        ]),
      Math.ceil(RUNS / 10),
    )
  })

  it('[STL-4] [STL-6] what read an entry before it was here, or on a branch that does not show it, is derived from it', () => {
    const host = seededHost(1)
    const [source, reader] = ['side', 'main'].map(
      branch => new BranchWriter(new ChangeSet(sha256), host, branch, 'agent'),
    ) as [BranchWriter, BranchWriter]
    const entries = [
      { kind: 'note', value: 0 },
      { kind: 'note', value: 1 },
    ]
    const read = source.write({ entries, reads: [parseRef('ext:doc/1')] })!
    const [first, second] = [`${read.id}.0`, `${read.id}.1`]
    // No writer of ours would: it is refused to its author, and at a door.
    const derived = forged(
      new BranchWriter(new ChangeSet(sha256), host, 'main', 'agent').write({ entries })!,
      {
        reads: [{ ref: `entry:${second}` }, { ref: `entry:${read.id}.00`, entry: 0 }],
      },
    )
    reader.set.add(derived)
    const names = [`${derived.id}.0`, `${derived.id}.1`]
    const main = new Staleness(reader.set, reader.set.view('main'))
    expect(main.blastRadius(`entry:${second}`).entries).toEqual(names)
    reader.set.add(read)
    expect(main.blastRadius(`entry:${second}`).entries).toEqual(names)
    expect(main.blastRadius(`entry:${first}`).entries).toEqual([])
    const all = new Staleness(reader.set, reader.set.everything())
    expect(new Set(all.blastRadius('ext:doc/1').entries)).toEqual(new Set([first, second, ...names]))
    reader.write({ writes: ['ext:doc/1'] })
    reader.merge(['side'])
    expect(
      main
        .catchUp()
        .map(({ entry }) => entry)
        .sort(),
    ).toEqual([first, second, ...names].sort())
    expect(main.why(names[0]!)!.via).toEqual([second])
    expect(main.derivedFrom(names[1]!)).toMatchObject([{ ref: `entry:${second}` }])
    expect(main.derivedFrom(`${read.id}.9`)).toEqual([])
  })

  it('[STL-2] a pointer is no prefix of one that merely begins with the same letters', () => {
    expect(touches({ ref: 'state:/a' }, { ref: 'state:/ab' })).toBe(false)
    expect(touches({ ref: 'state:/a' }, { ref: 'state:/a/b' })).toBe(true)
    expect(touches({ ref: 'state:/a/b' }, { ref: 'state:' })).toBe(true)
  })
})
