import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Request, Started, Usage } from './messages.js'

/** The peer, in a process of its own. */
export class ServerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(directory: string): Promise<ServerProcess> {
    const child = fork(fileURLToPath(new URL('./server.js', import.meta.url)), [directory])
    const { url } = await answer<Started>(child)
    return new ServerProcess(child, url)
  }

  /** CPU time it took so far, microseconds. */
  async cpuUs(): Promise<number> {
    const answered = answer<Usage>(this.child)
    this.child.send('usage' satisfies Request)
    return (await answered).cpuUs
  }

  /** Frames it has received so far. */
  async framesIn(): Promise<number> {
    const response = await fetch(`${this.url.replace(/^ws/, 'http')}/metrics`)
    const line = (await response.text())
      .split('\n')
      .find(text => text.startsWith('weft_frames_received_total '))
    return Number(line?.split(' ')[1])
  }

  async stop(): Promise<void> {
    const exited = once(this.child, 'exit')
    this.child.send('stop' satisfies Request)
    await exited
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
