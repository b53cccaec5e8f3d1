import { Admission, type BranchName, type Change, type ChangeId, ChangeSet, sealChange } from '@weft/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deliver, deliveries, histories } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { holds, pick, pickSome, seededHost, sha256 } from '../support/core-property.ts'
import { packed } from '../support/core-forge.ts'

/** What nobody's writer would make: on any branch, with any changes for deps, by an actor of its own or the last one. */
const wildChanges = fc.array(
  fc.record({
    branch: fc.nat(),
    forks: fc.nat(15),
    deps: fc.nat(0xffff),
    far: fc.nat(),
    goesOn: fc.boolean(),
  }),
  { minLength: 1, maxLength: 60, size: 'max' },
)

const BRANCHES: readonly BranchName[] = ['main', 'a', 'b', 'c']

function wild(plan: typeof wildChanges extends fc.Arbitrary<infer Plan> ? Plan : never): Change[] {
  const host = seededHost(7)
  const made: Change[] = []
  plan.forEach(({ branch, forks, deps, far, goesOn }, index) => {
    const last = made.at(-1)
    const near = pickSome(made.slice(-8), deps)
    const previous = goesOn ? last : undefined
    const chosen = new Set([...near, ...(made.length > 0 && far % 3 === 0 ? [pick(made, far)] : [])])
    if (previous) chosen.add(previous)
    const begun = pickSome(BRANCHES, forks)
    made.push(
      sealChange(
        {
          actor: previous?.header.actor ?? index.toString(16).padStart(32, '0'),
          seq: (previous?.header.seq ?? 0) + 1,
          lamport: 1 + Math.max(0, ...[...chosen].map(({ header }) => header.lamport)),
          time: 0,
          branch: pick(BRANCHES, branch),
          agent: 'tester',
          deps: packed([...chosen].map(({ id }) => id)),
          kinds: ['note'],
          values: [index],
          state: null,
          writes: [],
          reads: [],
          notes: begun.length > 0 ? { forks: begun } : {},
        },
        host,
      ),
    )
  })
  return made
}

type Heads = Readonly<Record<BranchName, readonly ChangeId[]>>

/** @param oracle of these changes, and maybe of later ones, which say nothing of the past of these */
function headsByLaw(changes: readonly Change[], oracle: Oracle, names: readonly BranchName[]): Heads {
  return Object.fromEntries(
    names.map(name => {
      const its = changes.filter(({ header }) => header.branch === name || header.notes.forks?.includes(name))
      return [name, oracle.maximal(its.map(({ id }) => id)).toSorted()]
    }),
  )
}

function headsOf({ dag, branches }: Pick<Admission, 'dag' | 'branches'>): Heads {
  return Object.fromEntries(
    branches.names().map(name => [
      name,
      branches
        .heads(name)
        .map(node => dag.id(node))
        .toSorted(),
    ]),
  )
}

test('[CHG-4] the heads of a branch are its changes that no other of them has in its past', () => {
  holds(fc.tuple(histories({ steps_max: 80 }), deliveries), ([{ changes }, delivery]) => {
    const set = deliver(changes, delivery)
    expect(headsOf(set)).toEqual(headsByLaw(changes, new Oracle(changes), set.branches.names()))
  })
})

test('[CHG-4] the heads of a branch are that after each change, whatever depends on what, at a replica and a peer', () => {
  holds(
    wildChanges,
    plan => {
      const changes = wild(plan)
      const oracle = new Oracle(changes)
      const set = new ChangeSet(sha256)
      const admission = new Admission(sha256)
      const shown: Heads[] = []
      const due: Heads[] = []
      changes.forEach((change, index) => {
        set.add(change)
        admission.admit(change, 0)
        const heads = headsByLaw(changes.slice(0, index + 1), oracle, set.branches.names())
        shown.push(headsOf(set), headsOf(admission))
        due.push(heads, heads)
      })
      expect(shown).toEqual(due)
    },
    200,
  )
})

test('[ORD-1] which of some changes are in the past of others, and of each other, is what can be reached', () => {
  holds(fc.tuple(wildChanges, fc.nat(0xffff), fc.nat(0xffff)), ([plan, some, others]) => {
    const changes = wild(plan)
    const oracle = new Oracle(changes)
    const set = new ChangeSet(sha256)
    for (const change of changes) set.add(change)
    const ids = changes.map(({ id }) => id)
    const [asked, later] = [pickSome(ids, some), pickSome(ids, others)]
    const isBehind = set.dag.behind(set.nodes(asked), set.nodes(later))
    for (const id of asked) {
      expect(isBehind(set.dag.node(id))).toBe(later.some(other => oracle.isAncestor(id, other)))
    }
    expect(set.ids(set.maximal(set.nodes(asked)))).toEqual(oracle.maximal(asked).toSorted())
  })
})

test('[ORD-1] what of some changes others have not seen is what cannot be reached, asked at any time', () => {
  const asked = fc.array(fc.record({ at: fc.nat(), wanted: fc.nat(0xffff), heads: fc.nat(0xffff) }), {
    minLength: 1,
    maxLength: 6,
  })
  holds(
    fc.tuple(wildChanges, asked),
    ([plan, questions]) => {
      const changes = wild(plan)
      const oracle = new Oracle(changes)
      const admission = new Admission(sha256)
      changes.forEach((change, index) => {
        admission.admit(change, 0)
        for (const { at, wanted, heads } of questions) {
          if (at % changes.length !== index) continue
          const known = changes.slice(0, index + 1).map(({ id }) => id)
          const [these, others] = [pickSome(known, wanted), pickSome(known, heads)]
          const nodes = (ids: readonly ChangeId[]) => ids.map(id => admission.dag.node(id))
          const seen = new Set(others.flatMap(id => [id, ...oracle.past(id)]))
          const unseen = these.filter(id => !seen.has(id))
          expect(admission.pasts.outside(nodes(these), nodes(others))).toEqual(nodes(unseen))
        }
      })
    },
    250,
  )
})
