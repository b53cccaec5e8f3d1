import { digest } from '@weft/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deliver, deliveries, histories } from '../support/core-history.ts'
import { holds, sha256 } from '../support/core-property.ts'

test('[CHG-4] equal sets have equal digests, whatever the order, batches and repeats in which they came', () => {
  const small = histories({ steps_max: 14 })
  holds(
    fc.tuple(small, deliveries, deliveries),
    ([{ changes }, one, other]) => {
      expect(digest(deliver(changes, one), sha256)).toBe(digest(deliver(changes, other), sha256))
    },
    10_000,
  )
})

test('[CHG-4] the same with state that is edited concurrently', () => {
  holds(
    fc.tuple(histories({ steps_max: 30, edits: true }), deliveries, deliveries),
    ([{ changes }, one, other]) => {
      expect(digest(deliver(changes, one), sha256)).toBe(digest(deliver(changes, other), sha256))
    },
    400,
  )
})
