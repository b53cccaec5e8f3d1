import type { Command } from 'commander'
import type { Cli } from './cli/cli.js'

/** Adds a command to the program. Every file in `commands/` exports one as `register`. */
export type Register = (program: Command, cli: Cli) => void

/** How each verb is loaded, in the order in which `weft --help` lists them. */
const COMMANDS: Readonly<Record<string, () => Promise<{ readonly register: Register }>>> = {
  demo: () => import('./commands/demo.js'),
  replay: () => import('./commands/replay.js'),
  serve: () => import('./commands/serve.js'),
  dev: () => import('./commands/dev.js'),
  gateway: () => import('./commands/gateway.js'),
  token: () => import('./commands/token.js'),
  log: () => import('./commands/log.js'),
  tail: () => import('./commands/tail.js'),
  show: () => import('./commands/show.js'),
  diff: () => import('./commands/diff.js'),
  graph: () => import('./commands/graph.js'),
  why: () => import('./commands/why.js'),
  blast: () => import('./commands/blast.js'),
  conflicts: () => import('./commands/conflicts.js'),
  resolve: () => import('./commands/resolve.js'),
  audit: () => import('./commands/audit.js'),
  abandon: () => import('./commands/abandon.js'),
  handoff: () => import('./commands/handoff.js'),
  prompt: () => import('./commands/prompt.js'),
  webhooks: () => import('./commands/webhooks.js'),
  overlay: () => import('./commands/overlay.js'),
  verify: () => import('./commands/verify.js'),
  backup: () => import('./commands/backup.js'),
  restore: () => import('./commands/restore.js'),
  repair: () => import('./commands/repair.js'),
  retention: () => import('./commands/retention.js'),
  retain: () => import('./commands/retain.js'),
  erase: () => import('./commands/erase.js'),
  drop: () => import('./commands/drop.js'),
  key: () => import('./commands/key.js'),
  export: () => import('./commands/export.js'),
  import: () => import('./commands/import.js'),
  doctor: () => import('./commands/doctor.js'),
  completion: () => import('./commands/completion.js'),
}

/** It needs to know all the others. */
const COMPLETION = 'completion'
/** What is answered without any. */
export const VERSION_FLAGS = ['-V', '--version']

/**
 * What adds the verb that a command line begins with, alone: to load all of them, and what they import, takes longer than
 * most have to do. All are loaded for a line that begins otherwise, as one that asks for help or has mistyped a verb.
 */
export async function commandsFor([verb]: readonly string[]): Promise<readonly Register[]> {
  if (verb !== undefined && VERSION_FLAGS.includes(verb)) return []
  const isAlone = verb !== undefined && verb !== COMPLETION && Object.hasOwn(COMMANDS, verb)
  const loading = isAlone ? [COMMANDS[verb]!] : Object.values(COMMANDS)
  return (await Promise.all(loading.map(load => load()))).map(({ register }) => register)
}
