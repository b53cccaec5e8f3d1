import { type AuditFilter, type AuditRecord, audit, BranchWriter, ChangeSet, pointersTouch } from '@weft/core'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { codeOf } from '../support/core-forge.ts'
import { deliver, deliveries, histories, replicaOf } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { holds, seededHost, sha256 } from '../support/core-property.ts'

function audited(set: ChangeSet, filter?: AuditFilter): AuditRecord[] {
  return [...audit(set, set.everything(), filter)]
}

test('[CHG-4] [ORD-2] an audit lists every change in order, alike on every replica', () => {
  holds(fc.tuple(histories({ steps_max: 40, edits: true }), deliveries), ([{ changes }, delivery]) => {
    const records = audited(deliver(changes, delivery))
    expect(records.map(({ change }) => change)).toEqual(new Oracle(changes).flattened())
    expect(records).toEqual(audited(replicaOf(changes)))
  })
})

const filters: fc.Arbitrary<AuditFilter> = fc.record(
  {
    pointer: fc.constantFrom('', '/plan', '/plan/a', '/plan/a/deep', '/pla', '/tone', '/list/0', '/none'),
    agent: fc.constantFrom('agent-0', 'agent-1', 'agent-9'),
    branch: fc.constantFrom('main', 'a', 'b', 'none'),
    kind: fc.constantFrom('message', 'decision', 'none'),
  },
  { requiredKeys: [] },
)

test('[STL-2] a filter keeps just the changes that it describes; a pointer also what is above and below it', () => {
  holds(
    fc.tuple(histories({ steps_max: 40, edits: true }), filters),
    ([{ changes }, filter]) => {
      const set = replicaOf(changes)
      const { pointer, agent, branch, kind } = filter
      const described = audited(set).filter(
        record =>
          (pointer === undefined || record.pointers.some(written => keysTouch(written, pointer))) &&
          (agent === undefined || record.agent === agent) &&
          (branch === undefined || record.branch === branch) &&
          (kind === undefined || record.entries.some(entry => entry.kind === kind)),
      )
      expect(audited(set, filter)).toEqual(described)
    },
    250,
  )
})

/** STL-2 from its words: the keys of one are the first keys of the other. */
function keysTouch(a: string, b: string): boolean {
  const [shorter, longer] = [a.split('/'), b.split('/')].sort((x, y) => x.length - y.length)
  return shorter!.every((key, index) => key === longer![index])
}

test('[STL-2] pointers touch when one is a prefix of the other, key by key', () => {
  const pointers = fc
    .array(fc.constantFrom('a', 'ab', '', '0', '~1'), { maxLength: 3 })
    .map(keys => keys.map(key => `/${key}`).join(''))
  holds(fc.tuple(pointers, pointers), ([a, b]) => expect(pointersTouch(a, b)).toBe(keysTouch(a, b)), 1_000)
})

test('an audit says who wrote what, when, on which branch, why, and what it was derived from', () => {
  const host = seededHost(1)
  const set = new ChangeSet(sha256)
  const main = new BranchWriter(set, host, 'main', 'planner')
  const fork = main.fork(['draft'])
  const draft = new BranchWriter(set, host, 'draft', 'writer')
  const reads = [{ ref: 'state:/tone' }, { ref: 'ext:doc/17', version: 'v3', entry: 0 }]
  const entries = [{ kind: 'message', value: { text: 'hello' } }]
  const written = draft.write({ entries, state: { tone: 'warm' }, reads, notes: { reason: 'asked for' } })!
  const merge = main.merge(['draft'])
  const [forked, wrote, merged] = audited(set)
  expect(forked).toMatchObject({ change: fork.id, agent: 'planner', forks: ['draft'], merges: [] })
  expect(wrote).toMatchObject({
    change: written.id,
    branch: 'draft',
    agent: 'writer',
    actor: draft.actor,
    seq: 1,
    lamport: 2,
    time: written.header.time,
    deps: [fork.id],
    pointers: ['/tone'],
    reads,
    reason: 'asked for',
  })
  expect(wrote!.entries).toMatchObject([
    { id: `${written.id}.0`, kind: 'message', value: { text: 'hello' }, reads },
  ])
  expect(merged).toMatchObject({ change: merge.id, branch: 'main', merges: ['draft'], entries: [] })
})

test('an audit decodes only what it yields', () => {
  const host = seededHost(1)
  const set = new ChangeSet(sha256)
  const main = new BranchWriter(set, host, 'main', 'planner')
  for (let i = 0; i < 100; i++)
    main.write({ entries: [{ kind: i === 50 ? 'decision' : 'message', value: i }] })
  const decoded = vi.spyOn(set, 'entriesOf')
  expect(audited(set, { kind: 'decision' })).toHaveLength(1)
  expect(decoded).toHaveBeenCalledTimes(1)
})

test('an audit of what is no pointer is refused', () => {
  const set = new ChangeSet(sha256)
  expect(codeOf(() => audited(set, { pointer: 'plan' }))).toBe('WEFT_POINTER_INVALID')
})
