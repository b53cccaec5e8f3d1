import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { signToken } from '@weft/peer'
import { onTestFinished } from 'vitest'

export const WEFT = fileURLToPath(new URL('../../packages/cli/bin/weft.js', import.meta.url))
export const SECRET = 'a secret of the tests, long enough'

/** `weft serve` in a process of its own, in a directory that outlives it. All of it ends with the test. */
export class ServeProcess {
  #child: ChildProcess | undefined
  #port = 0

  private constructor(private readonly folder: string) {}

  static async start(): Promise<ServeProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-serve-'))
    const serve = new ServeProcess(folder)
    onTestFinished(async () => {
      await serve.end('SIGKILL')
      await rm(folder, { recursive: true, force: true })
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

  token(tenant = 'acme'): Promise<string> {
    return signToken(SECRET, { tenant, scopes: ['read', 'write'], lifetime: 600 })
  }

  /** Starts it, on the port that it had before. */
  async start(): Promise<void> {
    const child = spawn(
      process.execPath,
      [WEFT, 'serve', '--data', this.data, '--port', `${this.#port}`, '--json'],
      {
        cwd: this.folder,
        env: { PATH: process.env.PATH, WEFT_SECRET: SECRET },
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
    this.#child = child
    const [line] = await Promise.race([
      once(createInterface(child.stdout!), 'line'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`weft serve exited with ${code}`)
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
