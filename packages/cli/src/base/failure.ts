import { type ErrorCode, reasonOf, WeftError } from '@weft/core'
import { printable } from './text.js'

/** What the exit code of every verb means; `weft --help` prints this table. */
export const EXIT = {
  ok: 0,
  /** A check did not hold: damage, a difference, a file that is not what it should be. */
  failed: 1,
  usage: 2,
  connection: 3,
  storage: 4,
  unexpected: 5,
  /** A second signal, or a disk that does not answer, cut a drain short; 128 + SIGINT, as shells count. */
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export const EXIT_CODES_HELP = `Exit codes:
  0    done, and every check holds
  1    a check failed: damage was found, a file is broken, a digest differs
  2    usage: an unknown command, flag or config key, a value that is not allowed
  3    the network: no peer, a token that is refused, a port in use, not acknowledged in time
  4    the data directory: locked, damaged, not writable
  5    unexpected: an error of Weft itself
  130  cut short by a second signal, or because the disk does not answer`

const BY_PREFIX: readonly (readonly [string, ExitCode])[] = [
  ['WEFT_STORE', EXIT.storage],
  ['WEFT_ROLLBACK', EXIT.storage],
  ['WEFT_FILE', EXIT.failed],
  ['WEFT_WINDOW_DIFFERS', EXIT.failed],
  ['WEFT_CHANGE_UNKNOWN', EXIT.usage],
  ['WEFT_CHANGE', EXIT.failed],
  ['WEFT_ERASE_IN_FORCE', EXIT.failed],
  ['WEFT_HANDOFF', EXIT.failed],
  ['WEFT_SESSION', EXIT.failed],
  ['WEFT_LEASE', EXIT.connection],
  ['WEFT_OVERLAY_VERSION', EXIT.failed],
  ['WEFT_OVERLAY', EXIT.connection],
  ['WEFT_TOKEN', EXIT.connection],
  ['WEFT_SCOPE', EXIT.connection],
  ['WEFT_WORKFLOW_FORBIDDEN', EXIT.connection],
  ['WEFT_PEER', EXIT.connection],
  ['WEFT_GATEWAY', EXIT.connection],
  ['WEFT_PORT', EXIT.connection],
  ['WEFT_NOT_SYNCED', EXIT.connection],
  ['WEFT_FLUSH_DEADLINE', EXIT.connection],
  ['WEFT_DRAINING', EXIT.connection],
  ['WEFT_FRAME', EXIT.connection],
  ['WEFT_VERSION', EXIT.connection],
  ['WEFT_AUTH_DEADLINE', EXIT.connection],
  ['WEFT_LIMIT', EXIT.connection],
  ['WEFT_QUEUE_FULL', EXIT.connection],
  ['WEFT_FLOW_CONTROL', EXIT.connection],
  ['WEFT_INTERNAL', EXIT.unexpected],
]

/** The first prefix that fits; what is left is something that the caller asked for and cannot have. */
export function exitCodeOf(code: ErrorCode): ExitCode {
  return BY_PREFIX.find(([prefix]) => code.startsWith(prefix))?.[1] ?? EXIT.usage
}

/** Anything thrown as a coded error. What has no code is a defect, and keeps its stack. */
export function coded(thrown: unknown): WeftError {
  if (thrown instanceof WeftError) return thrown
  return new WeftError(
    'WEFT_INTERNAL',
    reasonOf(thrown),
    'this is a defect of Weft: report it with the command that you ran and the stack below',
    thrown instanceof Error ? { stack: thrown.stack } : {},
    { cause: thrown },
  )
}

/** An error as stderr shows it: two lines for a person, or one JSON object. It may quote what a file, or a peer, says. */
export function formatFailure(error: WeftError, json: boolean): string {
  if (json) return JSON.stringify({ error })
  const { stack } = error.details
  const lines = [`error ${error.code}: ${error.message}`, `  cure: ${error.cure}`]
  return printable([...lines, ...(typeof stack === 'string' ? [stack] : [])].join('\n'))
}

export function usage(message: string, cure: string): WeftError {
  return new WeftError('WEFT_USAGE', message, cure)
}
