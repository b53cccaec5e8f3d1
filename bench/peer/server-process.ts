import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { PeerLimits } from '@weft/peer'
import type { Memory, Request, Started, Usage } from './messages.js'

/** The peer, in a process of its own. */
export class ServerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(directory: string, limits: Partial<PeerLimits> = {}): Promise<ServerProcess> {
    const server = fileURLToPath(new URL('./server.js', import.meta.url))
    const child = fork(server, [directory, JSON.stringify(limits)])
    const { url } = await answer<Started>(child)
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
    const answered = answer<T>(this.child)
    this.child.send(request)
    return answered
  }
}

async function answer<T>(child: ChildProcess): Promise<T> {
  const answered = new AbortController()
  const { signal } = answered
  const died = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`the server ended with ${String(code)}`)
  })
  died.catch(() => {})
  try {
    const [message] = (await Promise.race([once(child, 'message', { signal }), died])) as [T]
    return message
  } finally {
    answered.abort()
  }
}
