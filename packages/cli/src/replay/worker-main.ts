import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect, type Replica } from '@weft/replica'
import { inspect } from './inspect.js'
import type { Ack, Connection, FromWorker, Inspection, Job, ToWorker } from './ipc.js'
import { AgentRun, type AgentRunContext, nextMessage, play } from './script.js'

/** A worker of a replay, in a process of its own: a replica per tenant, and attempts played as they are handed out. */
class Worker {
  #agent = 'worker'
  #connection: Connection = { url: '', tenants: [] }
  readonly #replicas = new Map<string, Replica>()
  #acks: Ack[] = []

  async receive(message: ToWorker): Promise<void> {
    switch (message.type) {
      case 'start':
        await this.#start(message.agent, message.connection)
        return
      case 'job':
        await this.#playJob(message.job)
        return
      case 'inspect':
        await this.#inspect(message.contexts)
    }
  }

  async #start(agent: string, connection: Connection): Promise<void> {
    this.#agent = agent
    this.#connection = connection
    for (const { tenant, token } of connection.tenants) {
      this.#replicas.set(tenant, await connect({ url: connection.url, token, client: agent }))
    }
    say({ type: 'ready' })
  }

  async #playJob({ number, tenant, workflow, branch, messages, stopBefore }: Job): Promise<void> {
    const replica = this.#replicas.get(tenant)!
    const { mark } = this.#connection.tenants.find(access => access.tenant === tenant)!
    const context = (await replica.open(AgentRun, {
      workflow,
      branch,
      agent: this.#agent,
    })) as AgentRunContext
    for (let at = nextMessage(context); at < messages.length; at++) {
      if (at === stopBefore) {
        say({ type: 'stopped-midway', number })
        return
      }
      const { change, committed } = play(context, messages[at]!, at, mark, at === messages.length - 1)
      void committed.then(position => this.#acked({ tenant, workflow, change: change!, position }))
      await nextTurn()
    }
    await context.close({ timeout_ms: JOB_FLUSH_MS })
    this.#report()
    say({ type: 'done', number })
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

const JOB_FLUSH_MS = 60_000

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
