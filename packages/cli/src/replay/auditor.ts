import { connect } from '@weft/replica'
import { inspect } from './inspect.js'
import { type Ack, type Connection, type Inspected, type Inspection, PATIENCE_MS } from './ipc.js'
import { AgentRun } from './script.js'

const AGENT = 'auditor'

export interface Audit {
  readonly inspected: readonly Inspected[]
  /** Acknowledged changes that the log does not hold where it said. */
  readonly ackedLost: readonly Ack[]
  readonly entries: number
}

/** Comes last, with empty hands: everything it sees, the peer has on disk. */
export async function audit(
  connection: Connection,
  contexts: readonly Inspection[],
  acks: readonly Ack[],
): Promise<Audit> {
  const inspected: Inspected[] = []
  const ackedLost: Ack[] = []
  const patience = { timeout_ms: PATIENCE_MS }
  let entries = 0
  for (const { tenant, token } of connection.tenants) {
    const replica = await connect({ url: connection.url, token, client: AGENT, ...patience })
    for (const each of contexts.filter(context => context.tenant === tenant)) {
      inspected.push(await inspect(replica, AGENT, each, connection.tenants))
      const context = await replica.open(AgentRun, { workflow: each.workflow, agent: AGENT, ...patience })
      entries += context.entries().length
      for (const ack of acks) {
        const mine = ack.tenant === tenant && ack.workflow === each.workflow
        if (mine && context.positionOf(ack.change) !== ack.position) ackedLost.push(ack)
      }
    }
    await replica.close(patience)
  }
  return { inspected, ackedLost, entries }
}
