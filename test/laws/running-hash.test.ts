import { type ChangeId, EMPTY_LOG, extendRunningHash } from '@weft/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hexSha256, holds, sha256 } from '../support/core-property.ts'

const ids = fc.array(
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytes => Buffer.from(bytes).toString('hex')),
  {
    maxLength: 12,
  },
)

/** As the law says it: each step a hash of text decoded anew. */
function oracle(list: readonly ChangeId[]): string {
  return list.reduce((before, id) => hexSha256(Buffer.from(before + id, 'hex')), '0'.repeat(64))
}

test('[DUR-4] the running hash is that of the ids one by one, however they are cut into appends', () => {
  holds(fc.tuple(ids, fc.nat(12)), ([list, cut]) => {
    const first = extendRunningHash(sha256, EMPTY_LOG, list.slice(0, cut))
    expect(extendRunningHash(sha256, first, list.slice(cut))).toBe(oracle(list))
  })
})

test('[DUR-4] a log that lacks a change, has one more, or has two in another order has another running hash', () => {
  holds(fc.tuple(fc.uniqueArray(ids, { minLength: 3, maxLength: 3 }), fc.nat()), ([[list, other], at]) => {
    const log = [...new Set([...list!, ...other!])]
    if (log.length < 2) return
    const here = at % (log.length - 1)
    const hash = (changed: readonly ChangeId[]) => extendRunningHash(sha256, EMPTY_LOG, changed)
    const swapped = log.with(here, log[here + 1]!).with(here + 1, log[here]!)
    for (const changed of [log.toSpliced(here, 1), log.toSpliced(here, 0, 'a'.repeat(64)), swapped]) {
      expect(hash(changed)).not.toBe(hash(log))
    }
  })
})
