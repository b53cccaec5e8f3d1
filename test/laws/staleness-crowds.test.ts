import {
  BranchWriter,
  CAUSES_TOLD_MAX,
  type Change,
  type ChangeId,
  ChangeSet,
  mergeReport,
  type ManifestRef,
  parseRef,
  sealChange,
  Staleness,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { packed } from '../support/core-forge.ts'
import { Oracle } from '../support/core-oracle.ts'
import { holds, pick, pickSome, seededHost, sha256 } from '../support/core-property.ts'
import { expectClosure, expectRadii, expectSameInAnyOrder, setOf } from '../support/staleness-checks.ts'
import { bruteForce } from '../support/staleness-oracle.ts'

const RUNS = Number(process.env.WEFT_STALENESS_RUNS ?? 120)
const POINTERS = ['state:', 'state:/a', 'state:/a/b', 'state:/a/b/c', 'state:/a/d', 'state:/e']
const VERSIONS = ['ext:doc', 'ext:doc@1', 'ext:doc@2', 'ext:doc@3']
/** What knows one version, and seldom meets another. */
const SAME = ['ext:doc@1', 'ext:doc@1', 'ext:doc@1', 'ext:doc@1', 'ext:doc@1', 'ext:doc@2']
const ACTORS = 5

interface Act {
  readonly deps: number
  readonly entries: number
  readonly reads: readonly number[]
  readonly earlier: number
  readonly writes: readonly number[]
  readonly reverts: number
}

interface Crowd {
  readonly seed: number
  /** Whether each change is by an actor of its own, as those of workers that live for a step are. */
  readonly isFresh: boolean
  readonly refs: number
  readonly acts: readonly Act[]
}

const nat = fc.nat(0xffff)
const crowds: fc.Arbitrary<Crowd> = fc.record({
  seed: nat,
  isFresh: fc.boolean(),
  refs: fc.nat(3),
  acts: fc.array(
    fc.record({
      deps: nat,
      entries: fc.nat(3),
      reads: fc.array(nat, { maxLength: 6 }),
      earlier: nat,
      writes: fc.array(nat, { maxLength: 3 }),
      reverts: nat,
    }),
    { minLength: 1, maxLength: 60, size: 'max' },
  ),
})

/** What many write beside each other and after each other: versions of one ref, what lies within each other, all of it twice. */
function play({ seed, isFresh, refs, acts }: Crowd): Change[] {
  const host = seededHost(seed)
  const names = [VERSIONS, POINTERS, SAME, [...VERSIONS, ...POINTERS]][refs]!
  const changes: Change[] = []
  const lastOf = new Map<string, Change>()
  acts.forEach((act, index) => {
    const number = isFresh ? index : act.deps % ACTORS
    const actor = number.toString(16).padStart(32, '0')
    const last = lastOf.get(actor)
    const deps = new Set([...depsOf(act, changes), ...(last ? [last] : [])])
    const change = sealChange(
      {
        actor,
        seq: (last?.header.seq ?? 0) + 1,
        lamport: [...deps].reduce((most, { header }) => Math.max(most, header.lamport), 0) + 1,
        time: host.now(),
        branch: 'main',
        agent: 'agent',
        deps: packed([...deps].map(({ id }) => id)),
        kinds: Array.from({ length: act.entries }, () => 'note'),
        values: Array.from({ length: act.entries }, (_, at) => at),
        state: null,
        reads: readsOf(act, names, changes),
        writes: act.writes.map(write => pick(names, write)),
        notes: revertedBy(act, [...deps], changes),
      },
      host,
    )
    changes.push(change)
    lastOf.set(actor, change)
  })
  return changes
}

/** The last change, some of those before, or all that nobody has seen yet. */
function depsOf({ deps }: Act, changes: readonly Change[]): Change[] {
  if (changes.length === 0) return []
  switch (deps % 4) {
    case 0:
      return [changes.at(-1)!]
    case 1: {
      const seen = new Set(changes.flatMap(({ header }) => header.deps))
      return changes.filter(({ id }) => !seen.has(id))
    }
    case 2:
      return [changes[0]!]
    default:
      return [pick(changes, deps >> 2), pick(changes, deps >> 5)]
  }
}

/** Some take back what they have seen. */
function revertedBy(
  { reverts }: Act,
  deps: readonly Change[],
  changes: readonly Change[],
): { reverts?: Uint8Array } {
  if (deps.length === 0 || reverts % 8 > 0) return {}
  return { reverts: packed([pick(seenBy(deps, changes), reverts >> 3).id]) }
}

function readsOf(
  { reads, earlier, entries }: Act,
  names: readonly string[],
  changes: readonly Change[],
): ManifestRef[] {
  const refs = reads.map(read => pick(names, read >> 2))
  if (changes.length > 0 && earlier % 3 === 0) refs.push(`entry:${pick(changes, earlier >> 2).id}.0`)
  return refs.map((ref, index) => ({
    ...parseRef(ref),
    ...((reads[index] ?? 0) % 4 === 0 && { entry: (reads[index]! >> 2) % (entries + 1) }),
  }))
}

/** Those that some have seen, with themselves. */
function seenBy(heads: readonly Change[], changes: readonly Change[]): Change[] {
  const oracle = new Oracle(changes)
  const ids = new Set(heads.flatMap(({ id }) => [id, ...oracle.past(id)]))
  return changes.filter(({ id }) => ids.has(id))
}

function staleIn(changes: readonly Change[]): string[] {
  return [...bruteForce(changes)].filter(([, { stale }]) => stale).map(([name]) => name)
}

describe('staleness among many', () => {
  it('[STL-2] [STL-3] [STL-4] equals the closure by brute force, in all of a context and in a part of it', () => {
    holds(
      crowds,
      plan => {
        const changes = play(plan)
        const set = setOf(changes)
        const part = seenBy([pick(changes, plan.seed)], changes)
        expectClosure(set, set.everything(), changes)
        expectClosure(set, set.viewAt([set.dag.node(pick(changes, plan.seed).id)]), part)
      },
      RUNS,
    )
  })

  it('[STL-3] [STL-5] is the same in every order of arrival, causes and all, and is told once', () => {
    holds(crowds, plan => expectSameInAnyOrder(play(plan), plan.seed), Math.ceil(RUNS / 3))
  })

  it('[STL-6] a blast radius is what reads the ref, and what reads that, and so on', () => {
    holds(crowds, plan => expectRadii(play(plan), [...POINTERS, ...VERSIONS]), Math.ceil(RUNS / 5))
  })

  it('[STL-1] an entry has its own reads and those of its change, in their order', () => {
    holds(
      crowds,
      plan => {
        const changes = play(plan)
        const set = setOf(changes)
        const staleness = new Staleness(set, set.everything())
        for (const { id, change, reads } of set.entries(set.everything(), { reverted: true })) {
          const { header } = set.change(set.dag.node(change))
          const at = Number(id.split('.')[1])
          expect(reads).toEqual(header.reads.filter(({ entry = at }) => entry === at))
          expect(staleness.derivedFrom(id)).toEqual(reads)
        }
      },
      Math.ceil(RUNS / 5),
    )
  })

  it('[STL-2] a pointer may have more below it than a call can have arguments', () => {
    const host = seededHost(1)
    const writer = new BranchWriter(new ChangeSet(sha256), host, 'main', 'agent')
    const perChange = 2_048
    const count = 64 * perChange
    const entries = [{ kind: 'note', value: 0 }]
    const names = Array.from({ length: count }, (_, index) => `/t/${index.toString(36)}`)
    const readers: Change[] = []
    for (let at = 0; at < count; at += perChange) {
      const some = names.slice(at, at + perChange)
      readers.push(
        writer.write({ entries, reads: some.map(name => parseRef(`state:${name}`)), touches: some })!,
      )
    }
    const staleness = new Staleness(writer.set, writer.set.view('main'))
    const ids = readers.map(({ id }) => `${id}.0`)
    expect(staleness.blastRadius('state:/t').entries).toEqual(ids)
    expect(staleness.count).toBe(0)
    const whole = writer.write({ entries, reads: [parseRef('state:/t')], touches: ['/t'] })!
    expect(staleness.catchUp().map(({ entry }) => entry)).toEqual(ids)
    expect(staleness.why(`${whole.id}.0`)).toBeUndefined()
    expect(staleness.why(ids[0]!)!.causes).toHaveLength(CAUSES_TOLD_MAX)
    expect(staleness.why(ids[0]!)!.causesLeftOut).toBe(perChange - CAUSES_TOLD_MAX)
  })

  it('[STL-3] of many causes the first are told, and how many more there are, whatever came first', () => {
    const host = seededHost(2)
    const set = new ChangeSet(sha256)
    const root = set.nodes([
      new BranchWriter(set, host, 'main', 'agent').write({ entries: [], touches: ['/a'] })!.id,
    ])
    const entries = [{ kind: 'note', value: 0 }]
    const reader = new BranchWriter(set, host, 'main', 'agent').write({
      entries,
      reads: [parseRef('state:/a')],
      at: root,
    })!
    const count = CAUSES_TOLD_MAX + 36
    const writers = Array.from({ length: count }, () =>
      new BranchWriter(set, host, 'main', 'agent').write({ touches: ['/a'], at: root }),
    )
    const inOrder = [...set.everything().flatten()].map(node => set.dag.id(node))
    const places = new Map(inOrder.map((id, place) => [id, place]))
    const expected = writers.map(change => change!.id).sort((a, b) => places.get(a)! - places.get(b)!)
    const changes = inOrder.map(id => set.change(set.dag.node(id)))
    for (const arrived of [changes, [changes[0]!, ...changes.slice(1).reverse()]]) {
      const other = setOf(arrived)
      const { causes, causesLeftOut } = new Staleness(other, other.everything()).why(`${reader.id}.0`)!
      expect(causes.map(({ change }) => change)).toEqual(expected.slice(0, CAUSES_TOLD_MAX))
      expect(causesLeftOut).toBe(36)
    }
  })

  it('[MRG-3] a merge reports what it shows as stale, and none of what was merged did', () => {
    holds(
      crowds,
      plan => {
        const changes = play(plan)
        const heads = (bits: number): Change[] => {
          const some = pickSome(changes, bits)
          return some.length > 0 ? some : [changes[0]!]
        }
        const parts = [heads(plan.seed), heads(plan.seed >> 4), heads(plan.seed >> 8)]
        const ids = parts.map(part => part.map(({ id }) => id))
        const [main, ...others] = ids.map(packed)
        const merge = mergeOf(ids.flat(), changes, {
          main: main!,
          ...Object.fromEntries(others.map((other, index) => [`side-${index}`, other])),
        })
        const all = seenBy([merge], [...changes, merge])
        const known = new Set(parts.flatMap(part => staleIn(seenBy(part, changes))))
        const report = mergeReport(setOf(all), merge.id)
        expect(report.staleReads.map(({ entry, change }) => entry ?? change).sort()).toEqual(
          staleIn(all)
            .filter(name => !known.has(name))
            .sort(),
        )
      },
      Math.ceil(RUNS / 3),
    )
  })
})

function mergeOf(
  deps: readonly ChangeId[],
  changes: readonly Change[],
  merges: Readonly<Record<string, Uint8Array>>,
): Change {
  const unique = [...new Set(deps)]
  const merged = changes.filter(({ id }) => unique.includes(id))
  return sealChange(
    {
      actor: 'f'.repeat(32),
      seq: 1,
      lamport: merged.reduce((most, { header }) => Math.max(most, header.lamport), 0) + 1,
      time: 1,
      branch: 'main',
      agent: 'agent',
      deps: packed(unique),
      kinds: [],
      values: [],
      state: null,
      reads: [],
      writes: [],
      notes: { merges },
    },
    seededHost(1),
  )
}
