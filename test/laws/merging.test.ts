import {
  type BranchName,
  BranchWriter,
  type Change,
  type ChangeId,
  ChangeSet,
  type Conflict,
  digest,
  type Json,
  type JsonObject,
  jsonEquals,
  mergeReport,
  pointersOf,
  valueAt,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  conflictsOf,
  deliver,
  deliveries,
  type History,
  histories,
  replicaOf,
} from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { holds, seededDice, seededHost, sha256, shuffled } from '../support/core-property.ts'

/** `from` merged into a copy of `into`: the union, in an order that the deps allow. */
function union(into: readonly Change[], from: readonly Change[]): Change[] {
  const set = replicaOf(into)
  for (const change of from) set.add(change)
  return [...set.changes()]
}

/** What a replica may know of a history: some changes and all their ancestors. */
function someOf({ changes }: History, seed: number): Change[] {
  const oracle = new Oracle(changes)
  const dice = seededDice(seed)
  const known = new Set<ChangeId>()
  for (const { id } of changes) {
    if (dice(3) > 0) continue
    known.add(id)
    for (const earlier of oracle.past(id)) known.add(earlier)
  }
  return changes.filter(({ id }) => known.has(id))
}

test('[MRG-1] merging is commutative, associative and idempotent', () => {
  const history = histories({ steps_max: 40, edits: true })
  holds(fc.tuple(history, fc.nat(), fc.nat(), fc.nat()), ([all, ...seeds]) => {
    const [a, b, c] = seeds.map(seed => someOf(all, seed)) as [Change[], Change[], Change[]]
    const same = (left: Change[], right: Change[]) =>
      expect(digest(replicaOf(left), sha256)).toBe(digest(replicaOf(right), sha256))
    same(union(a, b), union(b, a))
    same(union(union(a, b), c), union(a, union(b, c)))
    same(union(a, a), a)
    same(union(union(a, b), b), union(a, b))
  })
})

/** A write to a state pointer that no later write to it, or above it, has seen. */
interface OpenWrite {
  readonly pointer: string
  readonly change: ChangeId
}

function openWrites(changes: readonly Change[], oracle: Oracle): OpenWrite[] {
  const all = changes.flatMap(({ id, header }) =>
    pointersOf(header.writes).map(pointer => ({ pointer, change: id })),
  )
  const covers = (above: string, below: string) => above === below || below.startsWith(`${above}/`)
  return all.filter(
    write =>
      !all.some(
        later => covers(later.pointer, write.pointer) && oracle.isAncestor(write.change, later.change),
      ),
  )
}

/** By pointer, the writes to it or below it that are concurrent to one another, at least one of the two being to it. */
function contested(changes: readonly Change[], oracle: Oracle): Map<string, OpenWrite[]> {
  const open = openWrites(changes, oracle)
  const found = new Map<string, OpenWrite[]>()
  for (const pointer of new Set(open.map(write => write.pointer))) {
    // Insertions into a list both stay; of which item an index is only its author can tell: test/laws/lists.test.ts.
    if (pointer.startsWith('/list/')) continue
    const near = open.filter(write => write.pointer === pointer || write.pointer.startsWith(`${pointer}/`))
    const contest = (a: OpenWrite, b: OpenWrite) =>
      (a.pointer === pointer || b.pointer === pointer) && oracle.concurrent(a.change, b.change)
    const writes = near.filter(write => near.some(other => contest(write, other)))
    if (writes.length > 0) found.set(pointer, writes)
  }
  return found
}

/** What each state change wrote, as its author saw it right afterwards. */
function authoredValue({ authored }: History, { change, pointer }: OpenWrite): Json | undefined {
  return valueAt(authored.find(written => written.change === change)!.state, pointer.replace(/\/-$/, ''))
}

test('[MRG-2] every write that a concurrent one contests can be read, and no other is called a conflict', () => {
  holds(
    fc.tuple(histories({ steps_max: 50, edits: true }), deliveries),
    ([history, delivery]) => {
      const oracle = new Oracle(history.changes)
      const found = new Map(conflictsOf(deliver(history.changes, delivery)).map(c => [c.pointer, c]))
      for (const [pointer, writes] of contested(history.changes, oracle)) {
        if (pointer === '/list' && found.get(pointer)?.values.some(each => isOfItem(each.pointer))) {
          // It is for the items that whoever wrote to them is in it.
          found.delete(pointer)
          continue
        }
        if (pointer === '/list' && writes.some(write => isOfItem(write.pointer))) continue
        const values = writes.map(write => authoredValue(history, write))
        const agreed = writes.every(write => write.pointer === pointer) && allEqual(values)
        expect(found.has(pointer)).toBe(!agreed)
        if (agreed) continue
        const expected = writes.map((write, index) => written(write, values[index]))
        const actual = found.get(pointer)!.values.map(({ value, ...write }) => written(write, value))
        expect(actual.toSorted()).toEqual(expected.toSorted())
        found.delete(pointer)
      }
      expect([...found.keys()].filter(pointer => !isOfItem(pointer))).toEqual([])
    },
    150,
  )
})

function isOfItem(pointer: string): boolean {
  return pointer.startsWith('/list/') && !pointer.endsWith('/-')
}

function allEqual(values: readonly (Json | undefined)[]): boolean {
  return values.every(value => jsonEquals(value, values[0]))
}

function written({ change, pointer }: OpenWrite, value: Json | undefined): string {
  return `${change} ${pointer.replace(/\/-$/, '')} ${value === undefined ? 'deleted' : JSON.stringify(sorted(value))}`
}

function sorted(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  const entries = Object.entries(value as JsonObject).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]))
}

test('[MRG-2] all replicas name the same values in the same order, and the same winner', () => {
  holds(
    fc.tuple(histories({ steps_max: 50, edits: true }), deliveries, deliveries),
    ([{ changes }, one, other]) => {
      const conflicts = conflictsOf(deliver(changes, one))
      expect(conflictsOf(deliver(changes, other))).toEqual(conflicts)
    },
    150,
  )
})

/** A base state, one concurrent change on each of two branches, both merged into main. */
function collision(base: JsonObject, left: JsonObject, right: JsonObject) {
  const host = seededHost(3)
  const set = new ChangeSet(sha256)
  const main = new BranchWriter(set, host, 'main', 'main-agent')
  main.write({ state: base })
  main.fork(['left', 'right'])
  const write = (branch: BranchName, state: JsonObject) =>
    new BranchWriter(set, host, branch, `${branch}-agent`).write({ state })!
  const changes = [write('left', left), write('right', right)]
  const merge = main.merge(['left', 'right'])
  return { set, main, changes, merge, report: mergeReport(set, merge.id) }
}

describe('[MRG-2] nothing that collides is lost', () => {
  const plan = { plan: { steps: 3, owner: 'ada' } }
  test.each([
    ['set and set', { a: 0 }, { a: 1 }, { a: 2 }, '/a', [1, 2]],
    ['delete and set', { a: 0 }, {}, { a: 2 }, '/a', [undefined, 2]],
    ['set and set of a new key', {}, { a: 1 }, { a: 2 }, '/a', [1, 2]],
    ['two texts', { a: 'old' }, { a: 'one' }, { a: 'two' }, '/a', ['one', 'two']],
    [
      'replace an object and edit inside it',
      plan,
      { plan: 'none' },
      { plan: { steps: 4, owner: 'ada' } },
      '/plan',
      ['none', 4],
    ],
    [
      'delete an object and edit inside it',
      plan,
      {},
      { plan: { steps: 4, owner: 'ada' } },
      '/plan',
      [undefined, 4],
    ],
    ['one item of a list', { l: [1, 2] }, { l: [1, 8] }, { l: [1, 9] }, '/l/1', [8, 9]],
    ['a key with separators', { 'a/b~c': 0 }, { 'a/b~c': 1 }, { 'a/b~c': 2 }, '/a~1b~0c', [1, 2]],
  ] as const)('%s', (_, base, left, right, pointer, values) => {
    const { report, changes, main } = collision(base, left, right)
    expect(report.conflicts).toHaveLength(1)
    const [conflict] = report.conflicts
    expect(conflict!.pointer).toBe(pointer)
    expect(conflict!.values.map(({ value }) => value)).toEqual(values)
    expect(conflict!.values.map(({ change }) => change)).toEqual(changes.map(({ id }) => id))
    expect(conflict!.values.map(({ branch, agent }) => [branch, agent])).toEqual([
      ['left', 'left-agent'],
      ['right', 'right-agent'],
    ])
    expect(conflict!.winner).toEqual(valueAt(main.state.read(), pointer))
  })

  test.each([
    ['different keys', {}, { a: 1 }, { b: 2 }, { a: 1, b: 2 }],
    ['different keys of one object', { o: {} }, { o: { a: 1 } }, { o: { b: 2 } }, { o: { a: 1, b: 2 } }],
    ['the same value', { a: 0 }, { a: 1 }, { a: 1 }, { a: 1 }],
    ['two deletions', { a: 0 }, {}, {}, {}],
  ] as const)('and what does not collide is no conflict: %s', (_, base, left, right, merged) => {
    const { report, main } = collision(base, left, right)
    expect(report.conflicts).toEqual([])
    expect(main.state.read()).toEqual(merged)
  })

  test('insertions into one list both stay', () => {
    const { report, main } = collision({ l: [0] }, { l: [0, 1] }, { l: [0, 2] })
    expect(report.conflicts).toEqual([])
    expect([...(main.state.read().l as number[])].sort()).toEqual([0, 1, 2])
  })
})

describe('[MRG-2] a conflict stays open until somebody who has seen it writes', () => {
  test('a write by one who has not seen both leaves it open', () => {
    const { set, main, merge } = collision({ a: 0 }, { a: 1 }, { a: 2 })
    const left = new BranchWriter(set, seededHost(9), 'left', 'late')
    left.write({ state: { a: 3 } })
    main.merge(['left'])
    const values = conflictsOf(set)[0]!.values.map(({ value }) => value)
    expect(values.toSorted()).toEqual([2, 3])
    expect(mergeReport(set, merge.id).conflicts[0]!.values.map(({ value }) => value)).toEqual([1, 2])
  })

  test('a new value resolves it', () => {
    const { set, main } = collision({ a: 0 }, { a: 1 }, { a: 2 })
    main.write({ state: { a: 3 } })
    expect(conflictsOf(set)).toEqual([])
    expect(main.state.read()).toEqual({ a: 3 })
  })

  test('so does keeping the winner, which a touch records', () => {
    const { set, main } = collision({ a: 0 }, { a: 1 }, { a: 2 })
    const [{ winner }] = conflictsOf(set) as [Conflict]
    main.write({ state: main.state.read(), touches: ['/a'] })
    expect(conflictsOf(set)).toEqual([])
    expect(main.state.read()).toEqual({ a: winner })
  })
})

test('[MRG-3] a merge reports what each branch brought, alike on every replica and at any later time', () => {
  holds(fc.tuple(histories({ steps_max: 50, edits: true }), deliveries), ([{ changes }, delivery]) => {
    const set = deliver(changes, delivery)
    const oracle = new Oracle(changes)
    const flattened = oracle.flattened()
    for (const { id, header } of changes) {
      if (header.notes.merges === undefined) continue
      const past = changes.filter(other => other.id === id || oracle.isAncestor(other.id, id))
      const report = mergeReport(set, id)
      expect(mergeReport(replicaOf(past), id)).toEqual(report)
      expect(report.order).toEqual(report.order.toSorted(byPlaceIn(flattened)))
      expect(report.merged.flatMap(({ entries }) => entries).toSorted()).toEqual(report.order.toSorted())
      const names = report.merged.map(({ branch }) => branch)
      for (const { branch, entries } of report.merged) {
        for (const entry of entries) {
          const own = branchOf(set, entry)
          expect(names.includes(own) ? own : branch).toBe(branch)
        }
      }
    }
  })
})

function branchOf(set: ChangeSet, entry: string): BranchName {
  return set.change(set.dag.node(entry.split('.')[0]!)).header.branch
}

function byPlaceIn(flattened: readonly ChangeId[]) {
  const place = (entry: string) =>
    flattened.indexOf(entry.split('.')[0]!) * 10_000 + Number(entry.split('.')[1])
  return (a: string, b: string) => place(a) - place(b)
}

test('[MRG-3] branches are reported in the order of forking, whatever order they finished or were named in', () => {
  holds(fc.nat(), seed => {
    const host = seededHost(seed)
    const dice = seededDice(seed)
    const set = new ChangeSet(sha256)
    const main = new BranchWriter(set, host, 'main', 'lead')
    const names = shuffled(['ann', 'ben', 'cem', 'dot'], dice)
    for (const name of names) main.fork([name])
    const written = new Map<BranchName, string>()
    for (const name of shuffled(names, dice)) {
      const writer = new BranchWriter(set, host, name, `${name}-agent`)
      written.set(name, `${writer.write({ entries: [{ kind: 'message', value: name }] })!.id}.0`)
    }
    const merge = main.merge(shuffled(names, dice))
    const report = mergeReport(set, merge.id)
    expect(report.branch).toBe('main')
    expect(report.order).toEqual(names.map(name => written.get(name)))
    expect(report.merged).toEqual(
      names.map(branch => ({
        branch,
        heads: [written.get(branch)!.split('.')[0]],
        changes: 1,
        entries: [written.get(branch)],
        agents: [`${branch}-agent`],
      })),
    )
  })
})
