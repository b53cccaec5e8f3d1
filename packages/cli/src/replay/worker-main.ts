import { isWeftError } from '@weft/core'
import { connect, type Handoff, type Replica } from '@weft/replica'
import { inspect } from './inspect.js'
import {
  type Ack,
  type Connection,
  type FromWorker,
  type Inspection,
  type Job,
  PATIENCE_MS,
  type ToWorker,
} from './ipc.js'
import { AgentRun, nextMessage, play, turnsOf } from './script.js'

/** A worker of a replay, in a process of its own: a replica per tenant, and attempts played as they are handed out. */
class Worker {
  #agent = 'worker'
  #connection: Connection = { url: '', tenants: [] }
  readonly #replicas = new Map<string, Replica>()
  #acks: Ack[] = []
  /** A short replay may be over, and its contexts be asked for, before every worker has connected. */
  #started: Promise<void> | undefined

  async receive(message: ToWorker): Promise<void> {
    switch (message.type) {
      case 'start':
        this.#started = this.#start(message.agent, message.connection)
        return this.#started
      case 'job':
        await this.#play(message.job)
        return
      case 'inspect':
        await this.#started
        await this.#inspect(message.contexts)
    }
  }

  async #start(agent: string, connection: Connection): Promise<void> {
    this.#agent = agent
    this.#connection = connection
    for (const { tenant, token } of connection.tenants) {
      const access = { url: connection.url, token, client: agent, timeout_ms: PATIENCE_MS }
      this.#replicas.set(tenant, await connect(access))
    }
    say({ type: 'ready' })
  }

  /** Plays an attempt under a lease on its branch; after a peer that was away for too long, under another one. */
  async #play(job: Job): Promise<void> {
    for (;;) {
      try {
        const handoff = await this.#playOn(job)
        this.#report()
        if (handoff) say({ type: 'done', number: job.number, handoff })
        return
      } catch (error) {
        if (!isWeftError(error) || error.code !== 'WEFT_LEASE_LOST') throw error
      }
    }
  }

  /** Goes on where the branch ends, whoever played it so far; undefined when it is to be killed now. */
  async #playOn(job: Job): Promise<Handoff | undefined> {
    const { number, tenant, workflow, messages, handoff, stopAt } = job
    const { mark } = this.#connection.tenants.find(access => access.tenant === tenant)!
    const { context } = await this.#replicas
      .get(tenant)!
      .resume(AgentRun, handoff, { agent: this.#agent, lease: { ttl_ms: LEASE_MS }, timeout_ms: PATIENCE_MS })
    for (const turn of turnsOf(messages, true).slice(nextMessage(context))) {
      const playing = play(context, turn, mark)
      if (turn.at === stopAt) {
        playing.catch(() => {})
        say({ type: 'stopped-midway', number })
        return undefined
      }
      const { change, position } = await playing
      this.#acked({ tenant, workflow, change: change!, position })
    }
    const back = await context.handoff({ timeout_ms: PATIENCE_MS })
    await context.close({ timeout_ms: PATIENCE_MS })
    return back
  }

  #acked(ack: Ack): void {
    this.#acks.push(ack)
    if (this.#acks.length === 1) setImmediate(() => this.#report())
  }

  #report(): void {
    if (this.#acks.length > 0) say({ type: 'acked', acks: this.#acks })
    this.#acks = []
  }

  async #inspect(contexts: readonly Inspection[]): Promise<void> {
    const { tenants } = this.#connection
    const found = []
    for (const context of contexts) {
      found.push(await inspect(this.#replicas.get(context.tenant)!, this.#agent, context, tenants))
    }
    say({ type: 'inspected', contexts: found })
  }
}

/** How long a branch waits for a worker that is gone. */
const LEASE_MS = 2_000

function say(message: FromWorker): void {
  process.send?.(message)
}

const worker = new Worker()
process.on('message', (message: ToWorker) => {
  worker.receive(message).catch((error: unknown) => {
    say({ type: 'failed', message: error instanceof Error ? error.message : String(error) })
  })
})
process.on('disconnect', () => process.exit(0))
