import type { Command } from 'commander'
import type { Cli } from './cli.js'
import { register as audit } from './commands/audit.js'
import { register as backup } from './commands/backup.js'
import { register as blast } from './commands/blast.js'
import { register as completion } from './commands/completion.js'
import { register as conflicts } from './commands/conflicts.js'
import { register as dev } from './commands/dev.js'
import { register as demo } from './commands/demo.js'
import { register as diff } from './commands/diff.js'
import { register as doctor } from './commands/doctor.js'
import { register as drop } from './commands/drop.js'
import { register as erase } from './commands/erase.js'
import { register as exportCommand } from './commands/export.js'
import { register as gateway } from './commands/gateway.js'
import { register as graph } from './commands/graph.js'
import { register as handoff } from './commands/handoff.js'
import { register as importCommand } from './commands/import.js'
import { register as key } from './commands/key.js'
import { register as log } from './commands/log.js'
import { register as prompt } from './commands/prompt.js'
import { register as overlay } from './commands/overlay.js'
import { register as repair } from './commands/repair.js'
import { register as replay } from './commands/replay.js'
import { register as restore } from './commands/restore.js'
import { register as retain } from './commands/retain.js'
import { register as retention } from './commands/retention.js'
import { register as serve } from './commands/serve.js'
import { register as show } from './commands/show.js'
import { register as tail } from './commands/tail.js'
import { register as token } from './commands/token.js'
import { register as verify } from './commands/verify.js'
import { register as webhooks } from './commands/webhooks.js'
import { register as why } from './commands/why.js'

/** Adds a command to the program. Every file in `commands/` exports one as `register`. */
export type Register = (program: Command, cli: Cli) => void

/** In the order in which `weft --help` lists them. */
export const COMMANDS: readonly Register[] = [
  demo,
  replay,
  serve,
  dev,
  gateway,
  token,
  log,
  tail,
  show,
  diff,
  graph,
  why,
  blast,
  conflicts,
  audit,
  handoff,
  prompt,
  webhooks,
  overlay,
  verify,
  backup,
  restore,
  repair,
  retention,
  retain,
  erase,
  drop,
  key,
  exportCommand,
  importCommand,
  doctor,
  completion,
]
