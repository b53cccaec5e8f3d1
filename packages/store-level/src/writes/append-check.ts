import { type ChangeId, isChangeId, type LogAppend } from '@weft/core'
import { notContinuing } from './context-ends.js'

/** A broken append is refused before it is queued: the store must not fail because its caller did. @throws WEFT_INTERNAL */
export function checkAppend({ records, head, rewritten = [] }: LogAppend): void {
  const last = records.at(-1)
  if (last === undefined) throw notContinuing(head, 'it has no records')
  if (last.position !== head.count)
    throw notContinuing(head, `it ends at ${last.position}, not at ${head.count}`)
  const first = head.count - records.length + 1
  if (!Number.isSafeInteger(first) || first < 1) throw notContinuing(head, `it would begin at ${first}`)
  for (const [index, { position, id }] of records.entries()) {
    if (position !== first + index) throw notContinuing(head, `it has a gap before position ${position}`)
    if (!isChangeId(id)) throw notContinuing(head, `the id at position ${position} is not a change id`)
  }
  for (const { position } of rewritten) {
    if (!Number.isSafeInteger(position) || position < 1 || position >= first)
      throw notContinuing(head, `it would write position ${position} over, which it does not hold yet`)
  }
  if (head.heads.length === 0 || !areChangeIds(head.heads)) {
    throw notContinuing(head, 'its heads are not change ids')
  }
}

/** As `isChangeId` of each, as far as a head record can tell; each batch asks it of up to thousands. */
function areChangeIds(ids: readonly ChangeId[]): boolean {
  if (!ids.every(id => typeof id === 'string' && id.length === ID_CHARS)) return false
  // Reading hex ends at the first character that is none.
  return Buffer.from(ids.join(''), 'hex').length * 2 === ids.length * ID_CHARS
}

const ID_CHARS = 64
