import {
  BranchWriter,
  type Change,
  ChangeSet,
  type ErasePlan,
  type EraseOptions,
  planErasure,
  SUMMARY_KIND,
} from '@weft/core'
import { describe, expect, test } from 'vitest'
import { seededHost, sha256 } from '../support/core-property.ts'

const host = seededHost(11)

/** One context, and hands that write to it. */
function scene() {
  const set = new ChangeSet(sha256)
  const on = (branch: string) => new BranchWriter(set, host, branch, `agent-of-${branch}`)
  const writer = on('main')
  const say = (value: string, reads: readonly { ref: string; entry?: number }[] = [], by = writer) =>
    by.write({ entries: [{ kind: 'note', value }], reads })!
  const summarize = (to: Change) =>
    writer.write({
      entries: [{ kind: SUMMARY_KIND, value: { text: 'in short' } }],
      notes: {
        summary: { from: new Uint8Array(0), to: set.dag.packIds(set.nodes([to.id])) },
      },
    })!
  const plan = (targets: readonly string[], options: EraseOptions = {}): ErasePlan =>
    planErasure(set, targets, options, sha256).plan
  const derived = (...targets: readonly string[]) => plan(targets).derived.changes
  return { set, on, writer, say, summarize, plan, derived }
}

const idsOf = (...changes: readonly (Change | undefined)[]) => changes.map(change => change!.id)

describe('[ERA-1] what was derived from what is erased', () => {
  test('[CMP-1] is also the summary that stands for it, by whatever it is named', () => {
    const { say, summarize, plan, derived } = scene()
    const secret = say('secret')
    const summary = summarize(say('noted'))
    const after = say('after it')
    for (const target of [secret.id, `${secret.id}.0`, `entry:${secret.id}.0`])
      expect(plan([target]).derived).toEqual({
        entries: [`${summary.id}.0`],
        changes: idsOf(summary),
        branches: ['main'],
      })
    expect(derived(after.id)).toEqual([])
    const { changes, derived: left } = plan([`${secret.id}.0`], { withDerived: true })
    expect(changes).toEqual(idsOf(secret, summary))
    expect(left).toEqual({ entries: [], changes: [], branches: [] })
  })

  test('[CMP-1] is the summary that stands for a change which holds state alone', () => {
    const { writer, say, summarize, plan, derived } = scene()
    const wrote = writer.write({ state: { key: 'secret' } })!
    const summary = summarize(writer.write({ state: { key: 'none' } })!)
    const reader = say('read in short', [{ ref: `entry:${summary.id}.0`, entry: 0 }])
    expect(derived(wrote.id)).toEqual(idsOf(summary, reader))
    expect(plan([wrote.id], { withDerived: true }).changes).toEqual(idsOf(wrote, summary, reader))
  })

  test('is what names its entries, wherever that was written, and what names the state only if its author had seen it', () => {
    const { set, on, writer, say, derived } = scene()
    const begun = writer.fork(['aside', 'before'])
    const wrote = writer.write({ entries: [{ kind: 'note', value: 'secret' }], state: { key: 'secret' } })!
    writer.write({ state: { key: 'none' } })
    const aside = say('a copy', [{ ref: `entry:${wrote.id}.0`, entry: 0 }], on('aside'))
    const further = say('of the copy', [{ ref: `entry:${aside.id}.0` }], on('aside'))
    say('knew nothing of it', [{ ref: 'state:/key' }], on('before'))
    say('read something else', [{ ref: 'state:/other' }])
    const reader = say('read it', [{ ref: 'state:/key' }])
    expect(set.dag.isAncestor(set.dag.node(wrote.id), set.dag.node(aside.id))).toBe(false)
    expect(new Set(derived(wrote.id))).toEqual(new Set(idsOf(aside, further, reader)))
    expect(() => derived(begun.id)).toThrow('nothing to erase')
  })

  test('is what was written to the state by who had read it there, and what came of that', () => {
    const { writer, say, plan } = scene()
    const secret = say('secret')
    const copied = writer.write({ state: { plan: 'secret' }, reads: [{ ref: `entry:${secret.id}.0` }] })!
    const read = say('secret plan', [{ ref: 'state:/plan' }])
    const beside = writer.write({
      entries: [
        { kind: 'note', value: 'of the plan' },
        { kind: 'note', value: 'of nothing' },
      ],
      state: { plan: 'none' },
      reads: [{ ref: `entry:${read.id}.0`, entry: 0 }],
    })!
    // What one of its entries was derived from tells nothing of the other, nor of the state.
    say('of nothing', [{ ref: `entry:${beside.id}.1` }])
    const { derived: listed } = plan([secret.id])
    expect(listed.changes).toEqual(idsOf(copied, read, beside))
    expect(listed.entries).toEqual([`${read.id}.0`, `${beside.id}.0`])
    // The state of what is erased beside that goes too: it is the value in force.
    expect(() => plan([secret.id], { withDerived: true })).toThrow('/plan on main')
    writer.write({ state: { plan: 'another' } })
    const all = plan([secret.id], { withDerived: true })
    expect(all.changes).toEqual(idsOf(secret, copied, read, beside))
    expect(all.derived.changes).toHaveLength(1)
  })

  test('is what was read of an item of a list, by the index that it had by then', () => {
    const { writer, say, derived } = scene()
    writer.write({ state: { list: [{ id: 'a' }], other: [0, 1] } })
    const secret = writer.write({
      state: { list: [{ id: 'a' }, { id: 'b', key: 'secret' }], other: [0, 1] },
    })!
    writer.write({ state: { list: [{ id: 'new' }, { id: 'a' }, { id: 'b', key: 'secret' }], other: [0, 1] } })
    const reader = say('read it', [{ ref: 'state:/list/2/key' }])
    say('read another list', [{ ref: 'state:/other/1' }])
    writer.write({ state: { list: [], other: [0, 1] } })
    expect(derived(secret.id)).toEqual(idsOf(reader))
  })
})
