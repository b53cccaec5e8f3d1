import { readFileSync } from 'node:fs'
import { CommanderError } from 'commander'
import { coded, type ExitCode, exitCodeOf } from './base/failure.js'
import type { Output } from './base/output.js'
import { Cli } from './cli/cli.js'
import { MANIFEST } from './package-files.js'
import { buildProgram, isAnswer, usageOf } from './program.js'

export interface World {
  readonly output: Output
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
}

/** Runs a command line; what it throws is said on stderr. @returns its exit code */
export async function runCommand(args: readonly string[], { output, env, cwd }: World): Promise<ExitCode> {
  const cli = new Cli(output, env, cwd, output.json, version())
  try {
    await run(cli, args)
    return cli.exitCode
  } catch (thrown) {
    const error = coded(thrown)
    output.failure(error)
    return exitCodeOf(error.code)
  }
}

async function run(cli: Cli, args: readonly string[]): Promise<void> {
  const program = await buildProgram(cli, args)
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    if (!isAnswer(thrown)) throw usageOf(thrown, program)
  }
}

function version(): string {
  const manifest = JSON.parse(readFileSync(MANIFEST, 'utf8')) as {
    version: string
  }
  return manifest.version
}
