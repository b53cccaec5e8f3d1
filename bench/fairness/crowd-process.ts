import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { nextOf } from '../child.js'
import type { Order, Report } from './messages.js'

/**
 * Linux's scheduler lets even a process of nice 19 finish its slice of some milliseconds before another is woken; one of
 * this policy it does not. A crowd has machines of its own elsewhere: what is measured is the peer.
 */
const IDLE =
  spawnSync('chrt', ['--version']).status === 0
    ? { execPath: 'chrt', execArgv: ['--idle', '0', process.execPath] }
    : {}

/** The clients of another tenant, in a process of their own. */
export class CrowdProcess {
  private constructor(
    private readonly child: ChildProcess,
    private readonly url: string,
  ) {}

  /** Resolves when all that it will send has been made. */
  static async start(url: string): Promise<CrowdProcess> {
    const child = fork(fileURLToPath(new URL('./crowd.js', import.meta.url)), [], IDLE)
    const crowd = new CrowdProcess(child, url)
    await crowd.#reported()
    return crowd
  }

  /** Resolves when it has begun; `over` when all is done, or it was told to stop. */
  async begin(kind: Order['do'], workflow: string): Promise<{ readonly over: Promise<Report> }> {
    const begun = this.#reported()
    this.#order(kind, workflow)
    await begun
    return { over: this.#reported() }
  }

  stop(): void {
    this.#order('stop', '')
  }

  async exit(): Promise<void> {
    const exited = once(this.child, 'exit')
    this.#order('exit', '')
    await exited
  }

  #order(kind: Order['do'], workflow: string): void {
    this.child.send({ do: kind, url: this.url, workflow } satisfies Order)
  }

  #reported(): Promise<Report> {
    return nextOf(this.child, 'the crowd')
  }
}
