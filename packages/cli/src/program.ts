import { Command, type CommanderError } from 'commander'
import { EXIT_CODES_HELP, usage } from './base/failure.js'
import type { Cli } from './cli/cli.js'
import { commandsFor, VERSION_FLAGS } from './commands.js'

const EPILOGUE = `
Every setting is looked for in the flags, then in the environment (WEFT_*), then in weft.config.json, then it is the
default. Data goes to stdout, everything else to stderr. \`weft doctor\` says what is in force and what is wrong.

${EXIT_CODES_HELP}

Example:
  $ weft dev                             a peer to try things on; prints WEFT_URL and WEFT_TOKEN to paste
  $ weft demo                            agents, forks, kills and merges, checked before your eyes`

/** The `weft` program with what it takes for a command line. Nothing is run, and commander neither prints errors nor exits. */
export async function buildProgram(cli: Cli, args: readonly string[]): Promise<Command> {
  const program = new Command('weft')
    .description('Context integrity for pools of AI agents: replicated, causal, durable, tenant-scoped.')
    .version(cli.version, VERSION_FLAGS.join(', '), 'print the version')
    .helpCommand('help [command]', 'what a command does and takes')
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .configureOutput({ ...cli.output.help, outputError: () => {} })
    .exitOverride()
    .addHelpText('after', EPILOGUE)
  for (const register of await commandsFor(args)) register(program, cli)
  return program
}

/** Help and version were asked for and printed; undefined for all that commander refuses. */
export function isAnswer(error: CommanderError): boolean {
  return error.exitCode === 0
}

/** What commander refused, as the coded error that it is. */
export function usageOf(error: CommanderError, program: Command): Error {
  if (error.code === 'commander.help') {
    return usage('there is no command', `use one of ${program.commands.map(verb => verb.name()).join(', ')}`)
  }
  const text = error.message.replace(/^error: /, '')
  const suggestion = /\n?\(Did you mean (?:one of )?(.*?)\?\)/s.exec(text)
  const message = suggestion ? text.replace(suggestion[0], '') : text
  return usage(
    message,
    suggestion ? `did you mean ${suggestion[1]}?` : 'see `weft --help`, or `weft help COMMAND`',
  )
}
