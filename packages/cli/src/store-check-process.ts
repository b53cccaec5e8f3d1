import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ErrorCode, WeftError } from '@weft/core'
import { usage } from './failure.js'
import { LogCheck, type Verdict } from './log-check.js'
import { plural } from './text.js'

/** What the checking process says: a verdict a context, then that it is done or why it is not. */
export type StoreCheckMessage =
  | { readonly verdict: Verdict }
  | { readonly done: true }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly cure: string } }

/**
 * Checks the store in a directory in a process of its own: some damage makes LevelDB abort the process that reads it.
 * @throws WEFT_USAGE · WEFT_STORE_LOCKED · WEFT_STORE_VERSION · WEFT_STORE_FAILED
 */
export async function checkDirectory(
  directory: string,
  onVerdict: (verdict: Verdict) => void,
): Promise<Verdict[]> {
  checkHoldsStore(directory)
  const verdicts: Verdict[] = []
  const program = fileURLToPath(new URL('./store-check-child.js', import.meta.url))
  const child = fork(program, [directory], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], execArgv: [] })
  let end: StoreCheckMessage | undefined
  child.on('message', (message: StoreCheckMessage) => {
    if ('verdict' in message) {
      verdicts.push(message.verdict)
      onVerdict(message.verdict)
    } else {
      end = message
    }
  })
  const how = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  if (end !== undefined && 'done' in end) return verdicts
  const failed = end !== undefined && 'error' in end ? end.error : undefined
  if (failed !== undefined && failed.code !== 'WEFT_STORE_CORRUPT') {
    throw new WeftError(failed.code, failed.message, failed.cure)
  }
  const why = failed?.message ?? `LevelDB ended the process that read it (${how})`
  return [...verdicts, unreadable(why, verdicts.length)]
}

/** Opening would make a new, sound, empty store where a name was mistyped. @throws WEFT_USAGE */
export function checkHoldsStore(directory: string): void {
  if (existsSync(join(directory, 'CURRENT'))) return
  throw usage(`there is no store in ${directory}`, 'name the directory that `weft serve --data` was given')
}

/** What is to be said of a store that could not be read to its end. */
function unreadable(why: string, checked: number): Verdict {
  const check = new LogCheck('(the store)')
  check.problem(
    'store',
    'WEFT_STORE_CORRUPT',
    `${why}; ${plural(checked, 'context')} could be read before that`,
  )
  return check.verdict()
}
