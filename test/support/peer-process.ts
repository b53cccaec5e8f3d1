import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { signToken } from '@weft/peer'
import { onTestFinished } from 'vitest'
import { atAbruptEnd } from './abrupt-end.ts'

export const WEFT = fileURLToPath(new URL('../../packages/cli/bin/weft.js', import.meta.url))
export const SECRET = 'a secret of the tests, long enough'
const STDERR_CHARS = 2_000

export interface ServeOptions {
  /** Where its directory of data is, or is made; default: a folder that goes with the test. */
  readonly folder?: string
  /** For Node. */
  readonly nodeArgs?: readonly string[]
  /** How much of the store is checked first; default: as `weft serve` does. */
  readonly verify?: 'none'
  readonly env?: Readonly<Record<string, string>>
}

/** `weft serve` in a process of its own, in a directory that outlives it. The process ends with the test. */
export class ServeProcess {
  #child: ChildProcess | undefined
  #port = 0
  #stderr = ''

  private constructor(
    private folder: string,
    private readonly options: ServeOptions,
  ) {}

  static async start(options: ServeOptions = {}): Promise<ServeProcess> {
    const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'weft-serve-')))
    const serve = new ServeProcess(folder, options)
    onTestFinished(async () => {
      await serve.end('SIGKILL')
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true })
    })
    await serve.start()
    return serve
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}`
  }

  get data(): string {
    return join(this.folder, 'data')
  }

  get pid(): number {
    return this.#child!.pid!
  }

  token(tenant = 'acme'): Promise<string> {
    return signToken(SECRET, { tenant, scopes: ['read', 'write'], lifetime: 3_600 })
  }

  /** What it answers to whoever has no token. */
  async http(path: '/livez' | '/readyz' | '/metrics'): Promise<{ status: number; body: string }> {
    const response = await fetch(`http://127.0.0.1:${this.#port}${path}`)
    return { status: response.status, body: await response.text() }
  }

  /** Starts it, on the port that it had before, and in the folder unless there is another one now. */
  async start(folder = this.folder): Promise<void> {
    this.folder = folder
    const { nodeArgs = [], env = {}, verify } = this.options
    const args = [
      '--data',
      this.data,
      '--port',
      `${this.#port}`,
      '--json',
      ...(verify ? ['--verify', verify] : []),
    ]
    const child = spawn(process.execPath, [...nodeArgs, WEFT, 'serve', ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH, WEFT_SECRET: SECRET, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    child.on(
      'exit',
      atAbruptEnd(() => child.kill('SIGKILL')),
    )
    this.#stderr = ''
    child.stderr!.on('data', data => {
      this.#stderr = `${this.#stderr}${data}`.slice(-STDERR_CHARS)
    })
    const [line] = await Promise.race([
      once(createInterface(child.stdout!), 'line'),
      once(child, 'close').then(([code]) => {
        throw new Error(`weft serve exited with ${code}: ${this.#stderr}`)
      }),
    ])
    this.#port = (JSON.parse(line as string) as { port: number }).port
  }

  /** Ends it; resolves with its exit code, null after a kill. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null
    const gone = once(child, 'exit')
    child.kill(signal)
    const [code] = (await gone) as [number | null]
    return code
  }
}
