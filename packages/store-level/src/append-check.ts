import { isChangeId, type LogAppend, WeftError } from '@weft/core'

/** A broken append is refused before it is queued: the store must not fail because its caller did. @throws WEFT_INTERNAL */
export function checkAppend({ records, head }: LogAppend): void {
  const last = records.at(-1)
  if (last === undefined) throw refuse(head.workflow, 'it has no records')
  if (last.position !== head.count)
    throw refuse(head.workflow, `it ends at ${last.position}, not at ${head.count}`)
  const first = head.count - records.length + 1
  if (!Number.isSafeInteger(first) || first < 1) throw refuse(head.workflow, `it would begin at ${first}`)
  for (const [index, { position, id }] of records.entries()) {
    if (position !== first + index) throw refuse(head.workflow, `it has a gap before position ${position}`)
    if (!isChangeId(id)) throw refuse(head.workflow, `the id at position ${position} is not a change id`)
  }
  if (head.heads.length === 0 || !head.heads.every(isChangeId)) {
    throw refuse(head.workflow, 'its heads are not change ids')
  }
}

function refuse(workflow: string, reason: string): WeftError {
  return new WeftError(
    'WEFT_INTERNAL',
    `an append to ${workflow} is not a continuation of a log: ${reason}`,
    'this is a defect of the caller of the store: nothing was written; report it with this message',
    { workflow },
  )
}
