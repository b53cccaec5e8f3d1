import { fork } from 'node:child_process'
import { type ErrorCode, WeftError } from '@weft/core'
import { contextKey, type Salvaged, type SalvagedContext, type StoreSeal } from '@weft/store-level'
import { SALVAGE_PROGRAM } from '../package-files.js'
import type { DataDirectory } from '../cli/encryption.js'

/** What the process says that reads a damaged store. */
export type SalvageMessage =
  | Salvaged
  | { readonly seal: StoreSeal | undefined }
  | { readonly done: true }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly cure: string } }

interface Salvage {
  /** What the store says that it should hold; undefined when that is lost. */
  readonly seal: StoreSeal | undefined
  /** Keys of contexts that LevelDB does not survive reading. */
  readonly deadly: readonly string[]
}

/**
 * Reads what is sound in a borrowed store in other processes: one that LevelDB takes down is followed by one that passes
 * over the context that it was at.
 * @throws WEFT_STORE_KEY · WEFT_STORE_CORRUPT · WEFT_STORE_FAILED when nothing of it can be listed
 */
export async function salvageInProcess(
  data: DataDirectory,
  onContext: (context: SalvagedContext) => Promise<void>,
): Promise<Salvage> {
  const passOver = new Set<string>()
  const deadly: string[] = []
  for (;;) {
    const round = await salvageRound(data, [...passOver], async context => {
      await onContext(context)
      passOver.add(contextKey(context))
    })
    if (round.end === 'done') return { seal: round.seal, deadly }
    if (round.at === undefined || passOver.has(round.at)) throw unreadable(data.directory, round.how)
    passOver.add(round.at)
    deadly.push(round.at)
  }
}

interface Round {
  readonly end: 'done' | 'died'
  readonly seal: StoreSeal | undefined
  /** The context that it read last. */
  readonly at: string | undefined
  readonly how: string
}

async function salvageRound(
  { directory, keyFile }: DataDirectory,
  passOver: readonly string[],
  onContext: (context: SalvagedContext) => Promise<void>,
): Promise<Round> {
  const stdio = ['ignore', 'ignore', 'ignore', 'ipc'] as ['ignore', 'ignore', 'ignore', 'ipc']
  const args = keyFile === undefined ? [directory] : [directory, keyFile]
  const child = fork(SALVAGE_PROGRAM, args, { stdio, execArgv: [], serialization: 'advanced' })
  child.send(passOver)
  let seal: StoreSeal | undefined
  let at: string | undefined
  let isDone = false
  const how = await new Promise<string>((resolve, reject) => {
    const fail = (thrown: unknown): void => {
      child.kill()
      reject(thrown)
    }
    child.on('message', (message: SalvageMessage) => {
      if ('seal' in message) seal = message.seal
      else if ('begin' in message) at = message.begin
      else if ('done' in message) isDone = true
      else if ('error' in message)
        fail(new WeftError(message.error.code, message.error.message, message.error.cure))
      else onContext(message.context).then(() => child.connected && child.send('next'), fail)
    })
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  return { end: isDone ? 'done' : 'died', seal, at, how }
}

function unreadable(directory: string, how: string): WeftError {
  return new WeftError(
    'WEFT_STORE_CORRUPT',
    `LevelDB ended the process that listed what is in the store (${how}): nothing of it can be saved`,
    'restore a backup with `weft restore`; replicas bring back what they hold',
    { directory },
  )
}
