import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { atAbruptEnd } from './abrupt-end.ts'

/** What a worker is told, and what it says. */
export type Line = { readonly [key: string]: unknown }

/** A worker in a process of its own, which can be stopped, continued and killed like any other. */
export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #said: Line[] = []
  #wake: () => void = () => {}

  /** @param script a file beside this one */
  constructor(script: string, env: Readonly<Record<string, string>>) {
    this.#child = fork(fileURLToPath(new URL(script, import.meta.url)), {
      env: { PATH: process.env.PATH, ...env },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child.on('message', message => {
      this.#said.push(message as Line)
      this.#wake()
    })
    this.#child.on('exit', () => this.#wake())
    this.#child.on(
      'exit',
      atAbruptEnd(() => void this.#child.kill('SIGKILL')),
    )
    this.#child.on('disconnect', () => this.#wake())
    onTestFinished(() => void this.#child.kill('SIGKILL'))
  }

  get gone(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  tell(line: Line): void {
    this.#child.send(line)
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name)
  }

  async kill(): Promise<void> {
    if (this.gone) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }

  /** The next thing that it says; undefined when it is gone and has said all. */
  async next(): Promise<Line | undefined> {
    // What it said last may come after its end.
    while (this.#said.length === 0 && !(this.gone && !this.#child.connected)) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    return this.#said.shift()
  }
}
