import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { WeftError } from '@weft/core'
import { PEER_PROGRAM, WORKER_PROGRAM } from '../package-files.js'
import type { Connection, FromWorker, ToWorker } from './ipc.js'
import type { FromPeer, PeerSettings } from './peer-main.js'

/** A process of the replay. Its own output goes where the replay's errors go: stdout is for the report. */
function start(module: URL): ChildProcess {
  return fork(module, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], serialization: 'advanced' })
}

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}

/** The peer's process; started again it listens on the same port and opens the same directory. */
export class PeerProcess {
  #child: ChildProcess | undefined
  #port = 0
  url = ''

  constructor(
    private readonly directory: string,
    private readonly secret: string,
  ) {}

  async start(): Promise<void> {
    const child = start(PEER_PROGRAM)
    this.#child = child
    child.send({ directory: this.directory, secret: this.secret, port: this.#port } satisfies PeerSettings)
    const [answer] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [
      FromPeer | number,
    ]
    if (typeof answer !== 'object' || answer?.type !== 'listening') {
      const reason =
        typeof answer === 'object' && answer !== null ? answer.message : `it exited with ${String(answer)}`
      throw new WeftError('WEFT_INTERNAL', `the peer did not start: ${reason}`, 'see its messages above')
    }
    this.#port = answer.port
    this.url = answer.url
  }

  async kill(): Promise<void> {
    if (this.#child) await kill(this.#child, 'SIGKILL')
  }

  async stop(): Promise<void> {
    if (this.#child) await kill(this.#child, 'SIGTERM')
  }
}

export class WorkerProcess {
  readonly #child = start(WORKER_PROGRAM)

  constructor(
    readonly agent: string,
    readonly connection: Connection,
    onMessage: (worker: WorkerProcess, message: FromWorker) => void,
    onExit: (worker: WorkerProcess) => void,
  ) {
    this.#child.on('message', message => onMessage(this, message as FromWorker))
    this.#child.on('exit', () => onExit(this))
    this.send({ type: 'start', agent, connection })
  }

  send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message)
  }

  async kill(): Promise<void> {
    await kill(this.#child, 'SIGKILL')
  }
}
