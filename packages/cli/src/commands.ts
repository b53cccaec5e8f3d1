import type { Command } from 'commander'
import type { Cli } from './cli.js'

/** Adds a command to the program. Every file in `commands/` exports one as `register`. */
export type Register = (program: Command, cli: Cli) => void

/** In the order in which `weft --help` lists them. */
export const COMMANDS: readonly Register[] = []
