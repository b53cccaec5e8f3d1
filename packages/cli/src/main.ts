import { readFileSync } from 'node:fs'
import { CommanderError } from 'commander'
import { Cli } from './cli.js'
import { coded, exitCodeOf } from './failure.js'
import { Output } from './output.js'
import { buildProgram, isAnswer, usageOf } from './program.js'

/** Runs the command line and ends the process with its exit code. */
export async function main(args: readonly string[] = process.argv.slice(2)): Promise<never> {
  // Before commander has read anything, so that what it refuses can be said in JSON too.
  const json = args.includes('--json')
  const output = new Output(process.stdout, process.stderr, process.env, json)
  const cli = new Cli(output, process.env, process.cwd(), json, version())
  let code: number
  try {
    await run(cli, args)
    code = cli.exitCode
  } catch (thrown) {
    const error = coded(thrown)
    output.failure(error)
    code = exitCodeOf(error.code)
  }
  await output.flushed()
  // A socket that is closing must not keep a command that is done.
  process.exit(code)
}

async function run(cli: Cli, args: readonly string[]): Promise<void> {
  const program = buildProgram(cli)
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    if (!isAnswer(thrown)) throw usageOf(thrown, program)
  }
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return manifest.version
}
