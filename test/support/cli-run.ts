import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Output, runCommand } from '@weft/cli'

export const WEFT = join(import.meta.dirname, '../../packages/cli/bin/weft.js')

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command as a user would, with nothing of Weft in its environment but what is given. */
export async function weft(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = start(args, options)
  const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)]
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout: stdout(), stderr: stderr() }
}

/** As `weft`, in this process: for all that does not depend on there being another one. */
export async function weftHere(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { env = {}, cwd = tmpdir() } = options
  const written = { stdout: '', stderr: '' }
  const sink = (name: keyof typeof written) => ({
    write: (text: string) => {
      written[name] += text
      return true
    },
    on: () => {},
  })
  const output = new Output(sink('stdout'), sink('stderr'), env, args.includes('--json'))
  return { code: await runCommand(args, { output, env, cwd }), ...written }
}

/** As `weftHere`, and its stdout as JSON; fails with what stderr says when that is not what came. */
export async function weftJson<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
  const { code, stdout, stderr } = await weftHere([...args, '--json'], options)
  if (code !== 0) throw new Error(`weft ${args.join(' ')} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as T
}

/** A command that goes on until it is told to end. */
export class Running {
  readonly #finished: Promise<Finished>
  readonly #lines: AsyncIterator<string>

  constructor(
    args: readonly string[],
    options: RunOptions = {},
    readonly child = start(args, options),
  ) {
    const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)]
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
    this.#finished = once(child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: stdout(),
      stderr: stderr(),
    }))
  }

  /** The next line of stdout. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`it ended early: ${(await this.#finished).stderr}`)
    return value
  }

  /** Sends a signal, or none, and waits for the end. */
  async end(signal?: NodeJS.Signals): Promise<Finished> {
    if (signal) this.child.kill(signal)
    return this.#finished
  }
}

function start(args: readonly string[], { env = {}, cwd = tmpdir() }: RunOptions): ChildProcess {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(WEFT_|NO_COLOR|FORCE_COLOR)/.test(name),
  )
  return spawn(process.execPath, [WEFT, ...args], {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString('utf8')
}
