import { parseAddress } from '@weft/core'
import { connect, type Handoff, type Replica } from '@weft/replica'
import { inspect } from './inspect.js'
import {
  type Ack,
  type Connection,
  type Inspected,
  type Inspection,
  type Job,
  PATIENCE_MS,
  type TenantAccess,
} from './ipc.js'
import { AgentRun, type AgentRunContext, entriesOf, play, turnsOf } from './script.js'
import type { FanOut } from './traces.js'

const AGENT = 'supervisor'

interface OpenRun {
  readonly access: TenantAccess
  readonly fanOut: FanOut
  readonly context: AgentRunContext
  readonly atFork: { readonly position: number; readonly seen: string }
  readonly handedBack: Handoff[]
}

/** An attempt to be played by whoever takes its handoff. */
export type Attempt = Pick<Job, 'tenant' | 'workflow' | 'messages' | 'handoff'>

export interface MergedRun {
  readonly tenant: string
  readonly workflow: string
  readonly conflicts: readonly {
    readonly pointer: string
    readonly values: number
    readonly winner: unknown
  }[]
  /** Of what an attempt read while another wrote it, neither knowing of the other. */
  readonly staleReads: readonly { readonly branch: string; readonly read: string; readonly writers: number }[]
  /** Looking back at the fork shows what was there then. */
  readonly timeTravel: boolean
  /** Each attempt's branch holds the run's messages, each once, in their order. */
  readonly complete: boolean
  readonly position: number
}

/** Writes what attempts share, forks a branch for each, and merges them when they have been played. */
export class Supervisor {
  readonly #replicas = new Map<string, Replica>()
  readonly #runs: OpenRun[] = []

  private constructor(
    private readonly connection: Connection,
    private readonly acked: (acks: readonly Ack[]) => void,
  ) {}

  static async connect(connection: Connection, acked: (acks: readonly Ack[]) => void): Promise<Supervisor> {
    const supervisor = new Supervisor(connection, acked)
    for (const { tenant, token } of connection.tenants) {
      const access = { url: connection.url, token, client: AGENT, timeout_ms: PATIENCE_MS }
      supervisor.#replicas.set(tenant, await connect(access))
    }
    return supervisor
  }

  /** Both tenants use the same workflow ids. @returns the attempts, each with the branch that is handed over for it */
  async begin(fanOuts: readonly FanOut[]): Promise<Attempt[]> {
    const attempts: Attempt[] = []
    for (const access of this.connection.tenants) {
      for (const fanOut of fanOuts) attempts.push(...(await this.#begin(access, fanOut)))
    }
    return attempts
  }

  /** A worker is through with an attempt: what it has written and seen is waited for before the merge. */
  handedBack(tenant: string, handoff: Handoff): void {
    const { workflow } = parseAddress(handoff.address)
    const run = this.#runs.find(each => each.access.tenant === tenant && each.fanOut.workflow === workflow)
    run?.handedBack.push(handoff)
  }

  async merge(): Promise<MergedRun[]> {
    const merged: MergedRun[] = []
    for (const run of this.#runs) merged.push(await this.#merge(run))
    return merged
  }

  inspect(contexts: readonly Inspection[]): Promise<Inspected[]> {
    const { tenants } = this.connection
    return Promise.all(contexts.map(each => inspect(this.#replicas.get(each.tenant)!, AGENT, each, tenants)))
  }

  async discard(): Promise<void> {
    await Promise.all([...this.#replicas.values()].map(replica => replica.close({ discard: true })))
  }

  async #begin(access: TenantAccess, fanOut: FanOut): Promise<Attempt[]> {
    const { tenant, mark } = access
    const { workflow, shared, attempts } = fanOut
    const replica = this.#replicas.get(tenant)!
    const opening = { workflow, agent: AGENT, timeout_ms: PATIENCE_MS }
    const context = (await replica.open(AgentRun, opening)) as AgentRunContext
    for (const turn of turnsOf(shared, false)) {
      const { change, position } = await play(context, turn, mark)
      this.acked([{ tenant, workflow, change: change!, position }])
    }
    const atFork = { position: context.position, seen: lookOf(context) }
    this.#runs.push({ access, fanOut, context, atFork, handedBack: [] })
    const branches = attempts.map(({ branch, messages }) => ({ messages, handle: context.fork(branch) }))
    return Promise.all(
      branches.map(async ({ messages, handle }) => {
        const handoff = await handle.handoff({ timeout_ms: PATIENCE_MS })
        await handle.close({ timeout_ms: PATIENCE_MS })
        return { tenant, workflow, messages, handoff }
      }),
    )
  }

  async #merge({ access, fanOut, context, atFork, handedBack }: OpenRun): Promise<MergedRun> {
    const { tenant, mark } = access
    const { workflow, attempts } = fanOut
    for (const { session } of handedBack) await context.reach(session, { timeout_ms: PATIENCE_MS })
    const { conflicts, staleReads, receipt } = context.merge(...attempts.map(attempt => attempt.branch))
    const position = await receipt.committed
    this.acked([{ tenant, workflow, change: receipt.change!, position }])
    return {
      tenant,
      workflow,
      position,
      conflicts: conflicts.map(({ pointer, values, winner }) => ({ pointer, values: values.length, winner })),
      staleReads: staleReads.map(({ branch, causes, causesLeftOut }) => ({
        branch,
        read: causes[0]?.read ?? 'what it was derived from',
        writers: causes.length + causesLeftOut,
      })),
      timeTravel: lookOf(context.at(atFork.position)) === atFork.seen,
      complete: attempts.every(({ branch, messages }) =>
        sameEntries(context, branch, expectedEntries(messages, mark)),
      ),
    }
  }
}

function expectedEntries(messages: FanOut['shared'], mark: string): string[] {
  return messages.flatMap((message, at) =>
    entriesOf(message, at, mark).map(({ value }) => JSON.stringify(value)),
  )
}

function sameEntries(context: AgentRunContext, branch: string, expected: readonly string[]): boolean {
  const held = context.entries().filter(entry => entry.branch === branch)
  return held.length === expected.length && held.every(({ value }, at) => sameJson(value, expected[at]!))
}

/** A schema may order the keys of what it passes on. */
function sameJson(value: unknown, json: string): boolean {
  return sorted(value) === sorted(JSON.parse(json))
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  )
}

/** All that one sees of a context, as one text. */
function lookOf(context: Pick<AgentRunContext, 'state' | 'entries'>): string {
  return sorted([context.state, context.entries().map(({ id, value }) => [id, value])])
}
