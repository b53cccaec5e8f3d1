import { Argument, type Command } from 'commander'
import { completionScript, SHELLS, type Shell } from '../completion.js'
import { withExamples } from '../settings/options.js'
import type { Cli } from '../cli/cli.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('completion')
    .description('A completion script for your shell.')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .action((shell: Shell) => {
      cli.output.line(completionScript(program, shell).trimEnd())
    })
  withExamples(command, [
    'weft completion bash > ~/.local/share/bash-completion/completions/weft',
    'for every new bash',
  ])
}
