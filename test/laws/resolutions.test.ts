import { findConflicts, findResolutions, StateDoc } from '@weft/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deliver, deliveries, histories, replicaOf } from '../support/core-history.ts'
import { codeOf } from '../support/core-forge.ts'
import { comesUp, holds } from '../support/core-property.ts'

test('[MRG-2] a resolution is a change after which a conflict that it had seen is gone, on every replica', () => {
  let closed = 0
  holds(
    fc.tuple(histories({ steps_max: 60, edits: true }), deliveries),
    ([{ changes }, delivery]) => {
      const set = replicaOf(changes)
      const conflictsAt = (heads: Iterable<number>) => {
        const view = set.viewAt(heads)
        const state = new StateDoc(set, view)
        const conflicts = findConflicts(set, view, state)
        state.free()
        return conflicts
      }
      const expected = [...set.everything().flatten()].flatMap(node => {
        const { id, header } = set.change(node)
        if (header.writes.length === 0) return []
        const after = new Set(conflictsAt([node]).map(({ pointer }) => pointer))
        return conflictsAt(set.nodes(header.deps))
          .filter(({ pointer }) => !after.has(pointer))
          .map(({ pointer, values }) => ({ change: id, pointer, settled: values }))
      })
      const other = deliver(changes, delivery)
      for (const replica of [set, other]) {
        const state = new StateDoc(replica, replica.everything())
        const found = findResolutions(replica, replica.everything(), state)
        const told = found.map(({ change, pointer, settled }) => ({ change, pointer, settled }))
        const byPlace = (all: typeof told) =>
          all.map(each => JSON.stringify(each)).sort((a, b) => (a < b ? -1 : 1))
        expect(byPlace(told)).toEqual(byPlace(expected))
        state.free()
      }
      closed += expected.length
    },
    150,
  )
  comesUp(closed, 25)
})

test('[MRG-2] resolutions of what is no pointer are refused', () => {
  const set = replicaOf([])
  const state = new StateDoc(set, set.everything())
  expect(codeOf(() => findResolutions(set, set.everything(), state, 'plan'))).toBe('WEFT_POINTER_INVALID')
})
