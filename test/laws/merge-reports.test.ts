import {
  BranchWriter,
  type Change,
  type ChangeId,
  ChangeSet,
  findConflicts,
  type Host,
  type ManifestRef,
  type MergeReport,
  mergeReport,
  type Node,
  parseRef,
  Staleness,
  StateDoc,
  SUMMARY_KIND,
  unpackIds,
  type Write,
} from '@weft/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { replicaOf } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { comesUp, holds, pick, pickSome, seededHost, sha256 } from '../support/core-property.ts'

const BRANCHES = ['main', 'a', 'b', 'c'] as const
const POINTERS = ['/x', '/x/y', '/z']

const nat = fc.nat(0xffff)
const acts = fc.record({
  seed: nat,
  acts: fc.array(
    fc.record({
      branch: fc.nat(3),
      do: fc.constantFrom(
        'write',
        'write',
        'say',
        'say',
        'edit',
        'merge',
        'merge',
        'merge aside',
        'sum',
        'revert',
      ),
      reads: nat,
      writes: nat,
      some: nat,
    }),
    { minLength: 4, maxLength: 24, size: 'max' },
  ),
})
type Plan = typeof acts extends fc.Arbitrary<infer Value> ? Value : never
type Act = Plan['acts'][number]

/** Writers of four branches of one set, which merge them into each other; and each report as it was made at once. */
function play({ seed, acts }: Plan): { set: ChangeSet; reports: MergeReport[] } {
  const host = seededHost(seed)
  const set = new ChangeSet(sha256)
  const main = new BranchWriter(set, host, 'main', 'lead')
  main.write({ entries: [{ kind: 'note', value: 'first' }], touches: ['/x'] })
  main.fork(BRANCHES.slice(1))
  const writers = BRANCHES.map((name, at) =>
    at === 0 ? main : new BranchWriter(set, host, name, `${name}-agent`),
  )
  const reports: MergeReport[] = []
  for (const act of acts) {
    const writer = pick(writers, act.branch)
    const merge = act.do.includes('merge')
      ? mergeOf(set, writer, act, act.do === 'merge aside' ? host : undefined)
      : void writer.write(writeOf(set, writer, act))
    if (merge) reports.push(mergeReport(set, merge.id))
  }
  for (const { state } of writers) state.free()
  return { set, reports }
}

function mergeOf(set: ChangeSet, writer: BranchWriter, { some }: Act, host?: Host): Change | undefined {
  const { branch } = writer
  const names = pickSome(BRANCHES, some).filter(name => name !== branch)
  if (names.length === 0) return undefined
  if (host === undefined) return writer.merge(names)
  // By somebody who has not seen the last of the branch.
  const at = [pastOf(set, branch, some)]
  const merges = Object.fromEntries(
    [branch, ...names].map(name => [name, set.dag.packIds(name === branch ? at : heads(set, name))]),
  )
  const aside = new BranchWriter(set, host, branch, 'aside', at)
  return aside.write({ notes: { merges }, at: [...at, ...names.flatMap(name => heads(set, name))] })
}

const heads = (set: ChangeSet, branch: string): Node[] => [...set.branches.heads(branch)]

/** A change that the branch shows. */
function pastOf(set: ChangeSet, branch: string, number: number): Node {
  const { arrived } = set.view(branch)
  return arrived.at(number % arrived.length)
}

function writeOf(set: ChangeSet, writer: BranchWriter, act: Act): Write {
  const { some, writes } = act
  const entries = [{ kind: 'note', value: some }]
  const touches = writes % 2 === 0 ? [pick(POINTERS, writes >> 1)] : []
  switch (act.do) {
    case 'say':
      return { entries }
    case 'edit':
      return { state: { x: { y: writes % 3 }, z: some % 2 } }
    case 'sum': {
      const to = set.dag.packIds(heads(set, writer.branch))
      return {
        entries: [{ kind: SUMMARY_KIND, value: { text: 'so far' } }],
        notes: { summary: { from: new Uint8Array(0), to } },
      }
    }
    case 'revert':
      return { entries, touches, notes: { reverts: set.dag.packIds([some % set.size]) } }
    default:
      return { entries: some % 4 === 0 ? [] : entries, reads: readsOf(set, writer, act), touches }
  }
}

function readsOf(set: ChangeSet, writer: BranchWriter, { reads }: Act): ManifestRef[] {
  const shown = set.entries(set.view(writer.branch))
  const earlier = reads % 2 === 0 && shown.length > 0 ? [`entry:${pick(shown, reads >> 5).id}`] : []
  const pointers = pickSome(POINTERS, reads >> 1).map(pointer => `state:${pointer}`)
  return [...earlier, ...pointers].map(text => parseRef(text))
}

/** What is stale where some heads and their pasts are all there is. */
function staleAt(set: ChangeSet, heads: readonly ChangeId[]): string[] {
  return new Staleness(set, set.viewAt(set.nodes(heads))).all().map(({ entry, change }) => entry ?? change)
}

/** The report, from all that each side shows. */
function reportByHand(set: ChangeSet, change: ChangeId): Partial<MergeReport> {
  const node = set.dag.node(change)
  const { branch, notes } = set.change(node).header
  const { [branch]: into, ...sources } = notes.merges!
  const ours = set.viewAt(set.nodes(unpackIds(into!)))
  const view = set.viewAt([node])
  const brought = new Set(
    Object.values(sources).flatMap(ids => [...set.viewAt(set.nodes(unpackIds(ids))).arrived]),
  )
  for (const each of ours.arrived) brought.delete(each)
  const known = new Set([into!, ...Object.values(sources)].flatMap(ids => staleAt(set, unpackIds(ids))))
  const stale = staleAt(set, [change]).filter(name => !known.has(name))
  const whole = new Staleness(set, view)
  const state = new StateDoc(set, view)
  const conflicts = findConflicts(set, view, state).filter(({ values }) =>
    values.some(value => brought.has(set.dag.node(value.change))),
  )
  state.free()
  return {
    order: [...view.flatten()].filter(each => brought.has(each)).flatMap(each => shown(set, each)),
    conflicts,
    staleReads: whole.all().filter(({ entry, change: of }) => stale.includes(entry ?? of)),
  }
}

function shown(set: ChangeSet, node: number): string[] {
  return set.entriesOf(node).flatMap(({ id, kind }) => (kind === SUMMARY_KIND ? [] : [id]))
}

test('[MRG-3] a merge reports what it shows and its sides do not, at once, later, and on a replica that has its past alone', () => {
  let [stale, conflicts] = [0, 0]
  holds(acts, plan => {
    const { set, reports } = play(plan)
    const changes = set.changes()
    const oracle = new Oracle(changes)
    for (const report of reports) {
      const { change } = report
      expect(report).toMatchObject(reportByHand(set, change))
      expect(mergeReport(set, change)).toEqual(report)
      const past = changes.filter(({ id }) => id === change || oracle.isAncestor(id, change))
      expect(mergeReport(replicaOf(past), change)).toEqual(report)
      stale += report.staleReads.length
      conflicts += report.conflicts.length
    }
  })
  comesUp(stale, 75, 'stale reads')
  comesUp(conflicts, 15, 'conflicts')
})
