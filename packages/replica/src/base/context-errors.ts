import { type ChangeId, type EntryId, hasHalfPair, LIMITS, WeftError } from '@weft/core'

export function handleClosed(): WeftError {
  return new WeftError(
    'WEFT_CLOSED',
    'this handle was closed',
    'open the context again: a handle is never used twice',
  )
}

/** What nobody will be told of a change any more. */
export function closedBefore(): WeftError {
  return new WeftError(
    'WEFT_CLOSED',
    'the replica was closed before this change was acknowledged',
    'flush before closing, or write it again on a new replica',
  )
}

/** @param missing deps that are neither here nor among what was passed */
export function incomplete(waiting: number, missing: readonly ChangeId[]): WeftError {
  return new WeftError(
    'WEFT_CHANGE_DEPS_MISSING',
    `${waiting} change(s) wait for deps that are not among them`,
    'pass the missing changes too',
    { missing },
  )
}

export function flushDeadline(count: number): WeftError {
  return new WeftError(
    'WEFT_FLUSH_DEADLINE',
    `${count} change(s) are not acknowledged yet`,
    'they are kept and will be sent: wait on, check the connection to the peer, or take them from `unacknowledged`',
    { count },
  )
}

/** @param failure of the connection, or of the context at the peer, when nothing more comes of what the change was sent over */
export function undecided(change: ChangeId, failure?: WeftError): WeftError {
  const what = `the peer has not decided on change ${change.slice(0, 12)}`
  return failure === undefined
    ? new WeftError(
        'WEFT_NOT_SYNCED',
        `${what} in time`,
        'it may yet take it, and then it will be seen here; check the connection, and read before you write it again',
        { change },
      )
    : new WeftError(
        'WEFT_NOT_SYNCED',
        `${what}, and answers nothing more: ${failure.message}`,
        'it may have taken it: connect or open anew, and read before you write it again',
        { change },
        { cause: failure },
      )
}

/** @param failure of the connection that something was asked over, when there will be no other one */
export function unanswered(failure: WeftError): WeftError {
  return new WeftError(
    'WEFT_NOT_SYNCED',
    `the peer has not answered before the connection failed: ${failure.message}`,
    'what was asked for may have been done: connect anew, and look before you ask again',
    {},
    { cause: failure },
  )
}

export function notYet(timeout_ms: number | undefined): WeftError {
  return new WeftError(
    'WEFT_NOT_SYNCED',
    `what was waited for did not come within ${timeout_ms} ms`,
    'wait longer, or check that the one who is to write it is connected',
  )
}

export function entryNotShown(entry: EntryId): WeftError {
  return new WeftError(
    'WEFT_ENTRY_UNKNOWN',
    `the branch shows no entry ${entry.slice(0, 80)}`,
    'name entries by the `id` that they are read with; one of another branch has to be merged first',
    { entry },
  )
}

/** @param refusal of a change that the step has seen */
export function snapshotWithdrawn(step: string, refusal: WeftError): WeftError {
  const { refused } = refusal.details
  return new WeftError(
    'WEFT_SNAPSHOT_WITHDRAWN',
    `step ${JSON.stringify(step)} saw what the peer has refused since: ${refusal.message}`,
    'run the step again, on what is left; what caused the refusal is in `cause`',
    { refused },
    { cause: refusal },
  )
}

/** @throws WEFT_LABEL_INVALID */
export function checkLabels(labels: readonly unknown[]): void {
  for (const label of labels) {
    const what = label === undefined ? undefined : flawOf(label)
    if (what === undefined) continue
    throw new WeftError(
      'WEFT_LABEL_INVALID',
      `a name, reason or trace ${what}`,
      `use a text of at most ${LIMITS.label_chars_max} characters, and of whole ones`,
    )
  }
}

function flawOf(label: unknown): string | undefined {
  if (typeof label !== 'string') return 'that is no text'
  if (label.length > LIMITS.label_chars_max) return `of ${label.length} characters`
  return hasHalfPair(label) ? 'with half a surrogate pair' : undefined
}
