import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { nextOf } from '../child.js'

/** What one round of one contender took, by row. */
export type Taken = Readonly<Record<string, number>>

/** One contender, in a process of its own: what another one leaves on its heap, or has optimized, is nothing to it. */
export class Runner {
  readonly #child: ChildProcess

  constructor(
    readonly name: string,
    withState: boolean,
  ) {
    const main = fileURLToPath(new URL('./runner-main.js', import.meta.url))
    this.#child = fork(main, [name, String(withState)])
  }

  /** @throws Error when its process ends in the middle */
  async round(): Promise<Taken> {
    const taken = nextOf<Taken>(this.#child, this.name)
    this.#child.send('round')
    return taken
  }

  /** It has nothing to lose; one that lives on would hold this process. */
  stop(): void {
    this.#child.kill()
  }
}
