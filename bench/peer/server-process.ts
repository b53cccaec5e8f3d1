import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { PeerLimits } from '@weft/peer'
import { nextOf } from '../child.js'
import type { Memory, Request, Started, Usage } from './messages.js'

const WHO = 'the server'

/** The peer, in a process of its own. */
export class ServerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(directory: string, limits: Partial<PeerLimits> = {}): Promise<ServerProcess> {
    const server = fileURLToPath(new URL('./server.js', import.meta.url))
    const child = fork(server, [directory, JSON.stringify(limits)])
    const { url } = await nextOf<Started>(child, WHO)
    return new ServerProcess(child, url)
  }

  /** CPU time it took so far, microseconds. */
  async cpuUs(): Promise<number> {
    return (await this.#ask<Usage>('usage')).cpuUs
  }

  memory(): Promise<Memory> {
    return this.#ask('memory')
  }

  /** After its garbage was collected. */
  collected(): Promise<Memory> {
    return this.#ask('collected')
  }

  /** Frames it has received so far. */
  framesIn(): Promise<number> {
    return this.metric('weft_frames_received_total')
  }

  /** One number of its metrics. */
  async metric(name: string): Promise<number> {
    const response = await fetch(`${this.url.replace(/^ws/, 'http')}/metrics`)
    const line = (await response.text()).split('\n').find(text => text.startsWith(`${name} `))
    return Number(line?.split(' ')[1])
  }

  async stop(): Promise<void> {
    const exited = once(this.child, 'exit')
    this.child.send('stop' satisfies Request)
    await exited
  }

  #ask<T>(request: Request): Promise<T> {
    const answered = nextOf<T>(this.child, WHO)
    this.child.send(request)
    return answered
  }
}
