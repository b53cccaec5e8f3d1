import { Output } from './base/output.js'
import { runCommand } from './run-command.js'

/** Runs the command line of this process and ends it with the exit code. */
export async function main(args: readonly string[] = process.argv.slice(2)): Promise<never> {
  const { stdout, stderr, env } = process
  // Before commander has read anything, so that what it refuses can be said in JSON too.
  const output = new Output(stdout, stderr, env, args.includes('--json'))
  const code = await runCommand(args, { output, env, cwd: process.cwd() })
  await output.flushed()
  // A socket that is closing must not keep a command that is done.
  process.exit(output.exitCode(code))
}
