import { fork } from 'node:child_process'
import { type ErrorCode, type ErrorDetails, WeftError } from '@weft/core'
import { clearBorrowed, type FileVerdict, holdsStore } from '@weft/store-level'
import { STORE_CHECK_PROGRAM } from '../package-files.js'
import { usage } from '../base/failure.js'
import type { Verdict } from '../logs/log-check.js'
import type { DataDirectory } from '../cli/encryption.js'
import type { CheckDepth } from './store-check.js'

interface ToldError {
  readonly code: ErrorCode
  readonly message: string
  readonly cure: string
  readonly details: ErrorDetails
}

/** What the checking process says: what it finds, then that it is done or why it is not. */
export type StoreCheckMessage =
  | { readonly file: FileVerdict }
  | { readonly verdict: Verdict }
  | { readonly contexts: number }
  | { readonly lost: ToldError }
  | { readonly done: true }
  | { readonly error: ToldError }

/** What checking a directory came to. */
export interface StoreReport {
  readonly files: { readonly count: number; readonly bytes: number; readonly damaged: readonly FileVerdict[] }
  /** Of all contexts of a full check, or of one that found damage in a file; else of damaged ones. */
  readonly verdicts: readonly Verdict[]
  /** Contexts that could be looked at. */
  readonly contexts: number
  /** Why no peer should open it as it is: it has lost something, or LevelDB does not survive reading it. */
  readonly unusable: WeftError | undefined
}

/**
 * Checks the store in a directory in a process of its own: some damage makes LevelDB abort the process that reads it.
 * @param signal ends that process: then the report is of nothing
 * @throws WEFT_USAGE · WEFT_STORE_LOCKED · WEFT_STORE_VERSION · WEFT_STORE_KEY · WEFT_STORE_FAILED
 */
export async function checkInProcess(
  { directory, keyFile }: DataDirectory,
  depth: CheckDepth,
  onProgress: (text: string) => void,
  signal?: AbortSignal,
): Promise<StoreReport> {
  await checkHoldsStore(directory)
  const verdicts: Verdict[] = []
  const damaged: FileVerdict[] = []
  const seen = { files: 0, bytes: 0, contexts: 0 }
  let end: { readonly done: true } | { readonly error: ToldError } | undefined
  let lost: ToldError | undefined
  const onMessage = (message: StoreCheckMessage): void => {
    if ('verdict' in message) verdicts.push(message.verdict)
    else if ('contexts' in message) seen.contexts += message.contexts
    else if ('lost' in message) lost = message.lost
    else if ('file' in message) {
      seen.files++
      seen.bytes += message.file.bytes
      if (message.file.damage.length > 0) damaged.push(message.file)
    } else end = message
    onProgress(`checked ${seen.files} files, ${seen.contexts} contexts`)
  }
  const args = [directory, depth, ...(keyFile === undefined ? [] : [keyFile])]
  const how = await runChild(args, onMessage, signal)
  const files = { count: seen.files, bytes: seen.bytes, damaged }
  const report = { files, verdicts, contexts: seen.contexts }
  if (end === undefined) {
    await clearBorrowed(directory)
    return { ...report, unusable: unreadable(directory, how, damaged) }
  }
  if ('done' in end) return { ...report, unusable: lost && errorOf(directory, lost) }
  if (end.error.code !== 'WEFT_STORE_CORRUPT') throw errorOf(directory, end.error)
  return { ...report, unusable: errorOf(directory, lost ?? end.error) }
}

/** Opening would make a new, sound, empty store where a name was mistyped. @throws WEFT_USAGE */
export async function checkHoldsStore(directory: string): Promise<void> {
  if (await holdsStore(directory)) return
  throw usage(`there is no store in ${directory}`, 'name the directory that `weft serve --data` was given')
}

/** @returns how it ended */
async function runChild(
  args: readonly string[],
  onMessage: (message: StoreCheckMessage) => void,
  signal?: AbortSignal,
): Promise<string> {
  const child = fork(STORE_CHECK_PROGRAM, [...args], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
  })
  child.on('message', onMessage)
  const end = (): void => void child.kill('SIGKILL')
  if (signal?.aborted) end()
  signal?.addEventListener('abort', end, { once: true })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
}

/** It was found in a borrowed store, and is told of the one that is asked about. */
function errorOf(directory: string, { code, message, cure, details }: ToldError): WeftError {
  const { directory: borrowed } = details
  const told = typeof borrowed === 'string' ? message.replaceAll(borrowed, directory) : message
  return new WeftError(code, told, cure, borrowed === undefined ? details : { ...details, directory })
}

function unreadable(directory: string, how: string, damaged: readonly FileVerdict[]): WeftError {
  const where = damaged.map(({ file, damage }) => `${file} (${damage.join(', ')})`).join(', ')
  return new WeftError(
    'WEFT_STORE_CORRUPT',
    `LevelDB ended the process that read the store in ${directory} (${how})${where && `; damaged: ${where}`}`,
    'save what is sound in a new directory with `weft repair --data DIR --to NEW`, or restore a backup',
    { directory },
  )
}
