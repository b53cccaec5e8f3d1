import { BranchWriter, ChangeSet, findConflicts, StateDoc } from '@weft/core'
import { expect, onTestFinished, test, vi } from 'vitest'
import { replicaOf } from '../support/core-history.ts'
import { seededHost, sha256 } from '../support/core-property.ts'

test('[MRG-2] which items a change put into many lists is told from what it wrote, and no state of the past is read for it', () => {
  const writers = [1, 2].map(seed => {
    return new BranchWriter(new ChangeSet(sha256), seededHost(seed), 'main', `agent-${seed}`)
  })
  const [one, two] = writers as [BranchWriter, BranchWriter]
  const base = one.write({ state: { rows: [['a'], ['b'], ['c']] } })!
  two.set.add(base)
  const changes = [one, two].map((writer, index) => {
    const rows = ['a', 'b', 'c'].map(name => [name, `${name}${index}`, `${name}${index} too`])
    if (index === 1) rows[1]![0] = 'edited'
    else rows[1]![0] = 'edited beside it'
    return writer.write({ state: { rows } })!
  })
  const set = replicaOf([base, ...changes])
  const state = new StateDoc(set, set.everything())
  onTestFinished(() => {
    for (const each of [state, one.state, two.state]) each.free()
  })
  const reads = vi.spyOn(StateDoc.prototype, 'placeBefore')
  onTestFinished(() => reads.mockRestore())
  const conflicts = findConflicts(set, set.everything(), state)
  expect(conflicts.map(({ values }) => values.map(({ value }) => value).sort())).toEqual([
    ['edited', 'edited beside it'],
  ])
  expect(reads).not.toHaveBeenCalled()
})
