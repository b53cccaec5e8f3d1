import {
  BranchWriter,
  type Change,
  type Node,
  resolveOptions,
  Staleness,
  SUMMARY_KIND,
  toHex,
  type WindowOptions,
} from '@weft/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type History, histories, replicaOf } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { comesUp, holds, pick, seededDice, seededHost } from '../support/core-property.ts'
import { byLength, Talk, windowsOf } from '../support/window-values.ts'

/** A history that goes on with summaries and with plain entries, each by somebody who had seen what came to it. */
function compactedOften({ changes, host }: History, seed: number): Change[] {
  const dice = seededDice(seed)
  const set = replicaOf(changes)
  for (let i = 0; i < 14; i++) {
    const branch = pick(set.branches.names(), dice(8))
    const writer = new BranchWriter(set, host, branch, `worker-${i}`)
    const at = [Math.max(0, set.size - 1 - dice(8)), dice(set.size)].slice(0, 1 + dice(2))
    const visible = [...set.viewAt(at).arrived]
    const some = (most: number): Node[] =>
      Array.from({ length: dice(most + 1) }, () => pick(visible, dice(999)))
    const summary = {
      from: set.dag.packIds([...new Set(some(1))]),
      to: set.dag.packIds([...new Set(some(3))]),
    }
    if (dice(2) === 0) writer.write({ entries: [{ kind: 'plain', value: i }], at })
    else writer.write({ entries: [{ kind: SUMMARY_KIND, value: { text: `${i}` } }], notes: { summary }, at })
  }
  return [...set.changes()]
}

const EVERYTHING: WindowOptions = { budget: 1e9, count: byLength }

test('[CMP-1] of many summaries each is late for what its author and the author of that had not seen of each other', () => {
  let lateOnes = 0
  holds(fc.tuple(histories({ steps_max: 25 }), fc.nat()), ([history, seed]) => {
    if (history.changes.length === 0) return
    const changes = compactedOften(history, seed)
    const causes = new Oracle(changes)
    const set = replicaOf([])
    const staleness = new Staleness(set, set.everything())
    for (const change of changes) {
      set.add(change)
      if (change.header.lamport % 3 === 0) staleness.catchUp()
    }
    const stale = staleness.all()
    for (const { id, header } of changes) {
      const { summary } = header.notes
      if (summary === undefined) continue
      const [from, to] = [summary.from, summary.to].map(packed =>
        changes.map(change => change.id).filter(each => toHex(packed).match(/.{64}/g)?.includes(each)),
      ) as [string[], string[]]
      const upTo = (ids: readonly string[]) => new Set(ids.flatMap(each => [each, ...causes.past(each)]))
      const before = upTo(from)
      const branches = new Set(
        [...upTo(to)]
          .filter(each => !before.has(each))
          .map(each => set.change(set.dag.node(each)).header.branch),
      )
      const unaware = changes.filter(
        other =>
          other.header.kinds.length > 0 &&
          branches.has(other.header.branch) &&
          causes.concurrent(other.id, id) &&
          !to.every(head => causes.isAncestor(head, other.id)),
      )
      const told = stale.find(each => each.entry === `${id}.0`)?.causes ?? []
      expect(told.map(({ change }) => change).toSorted()).toEqual(unaware.map(other => other.id).toSorted())
      lateOnes += unaware.length
    }
    expect(staleness.all()).toEqual(new Staleness(set, set.everything()).all())
  })
  comesUp(lateOnes, 375)
})

test('[CMP-1] of many summaries of a long talk those are shown that no larger one stands for, each where its range begins', () => {
  const length = 700
  // One of no changes, too, which any other stands for.
  const count = fc.oneof(fc.nat(40), fc.nat(length), fc.constant(-1))
  const ranges = fc.array(fc.tuple(fc.integer({ min: 1, max: length - 1 }), count), { maxLength: 12 })
  holds(
    ranges,
    chosen => {
      const set = replicaOf([])
      const writer = new BranchWriter(set, seededHost(8), 'main', 'planner')
      for (let i = 0; i < length; i++) writer.write({ entries: [{ kind: 'plain', value: `${i}` }] })
      const said = chosen.map(([first, count], index) => {
        const last = Math.min(first + count, length - 1)
        const notes = {
          summary: {
            from: set.dag.packIds([first - 1]),
            to: set.dag.packIds([last]),
          },
        }
        writer.write({ entries: [{ kind: SUMMARY_KIND, value: { text: `s${index}` } }], notes })
        return { first, last, text: `s${index}` }
      })
      const isEmpty = ({ first, last }: (typeof said)[0]) => last < first
      const within = (a: (typeof said)[0], b: (typeof said)[0]) =>
        isEmpty(a) || (b.first <= a.first && a.last <= b.last)
      const bySize = said.toSorted((a, b) => b.last - b.first - (a.last - a.first))
      const kept: typeof said = []
      for (const each of bySize) if (!kept.some(other => within(each, other))) kept.push(each)
      const expected: string[] = []
      for (let i = 0; i < length; i++) {
        for (const each of kept) if (each.first === i && !isEmpty(each)) expected.push(each.text)
        if (!kept.some(({ first, last }) => first <= i && i <= last)) expected.push(`${i}`)
      }
      expected.push(...kept.filter(isEmpty).map(({ text }) => text))
      const shown = JSON.parse(windowsOf(set).make(resolveOptions(EVERYTHING, Talk), byLength).text) as {
        content: string
      }[]
      expect(shown.map(({ content }) => content.replace(/\[(plain|weft\.summary)\] /, ''))).toEqual(expected)
    },
    30,
  )
})
