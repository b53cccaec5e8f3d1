import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { atAbruptEnd } from '../support/abrupt-end.ts'
import { until } from '../support/peer-until.ts'

const PATIENCE_MS = 60_000

/**
 * Has `fdatasync` and `fsync` of a running process fail with EIO, as those of a broken disk do. They are not carried out:
 * what they were to bring to the disk stays where it is.
 */
export class BrokenSyncs {
  /** How many have failed. */
  count = 0
  readonly #strace: ChildProcess

  /** @param most that fail on each thread; default: all */
  private constructor(pid: number, most: number | undefined) {
    const when = most === undefined ? '' : `:when=1..${most}`
    this.#strace = spawn(
      'strace',
      ['-f', '-p', `${pid}`, '-e', 'trace=fdatasync,fsync', '-e', `inject=fdatasync,fsync:error=EIO${when}`],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    this.#strace.on(
      'exit',
      atAbruptEnd(() => this.#strace.kill('SIGKILL')),
    )
  }

  /** Resolves when they fail. */
  static async of(pid: number, most?: number): Promise<BrokenSyncs> {
    const broken = new BrokenSyncs(pid, most)
    const lines = createInterface({ input: broken.#strace.stderr! })
    const attached = new Promise<void>((resolve, reject) => {
      lines.on('line', line => {
        if (line.includes('(INJECTED)')) broken.count++
        if (/^strace: Process \d+ attached/.test(line)) resolve()
      })
      broken.#strace.on('error', reject)
      broken.#strace.on('close', code =>
        reject(new Error(`strace ended with ${code} before it was attached`)),
      )
    })
    await attached
    return broken
  }

  async failed(count: number): Promise<void> {
    await until(() => this.count >= count, `${count} syncs have failed`, PATIENCE_MS)
  }

  /** The disk is sound again. */
  async mend(): Promise<void> {
    const { exitCode, signalCode } = this.#strace
    if (exitCode !== null || signalCode !== null) return
    const gone = once(this.#strace, 'exit')
    this.#strace.kill('SIGINT')
    await gone
  }
}
