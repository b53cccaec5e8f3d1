import { LIMITS, WeftError } from '@weft/core'

export function handleClosed(): WeftError {
  return new WeftError(
    'WEFT_CLOSED',
    'this handle was closed',
    'open the context again: a handle is never used twice',
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

export function checkLabels(labels: readonly (string | undefined)[]): void {
  const long = labels.find(label => label !== undefined && label.length > LIMITS.label_chars_max)
  if (long === undefined) return
  throw new WeftError(
    'WEFT_LABEL_INVALID',
    `a name, reason or trace of ${long.length} characters`,
    `use at most ${LIMITS.label_chars_max}`,
  )
}
