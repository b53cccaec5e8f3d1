import { connect, type Replica } from '@weft/replica'
import { inspect } from './inspect.js'
import type { Ack, Connection, Inspected, Inspection, TenantAccess } from './ipc.js'
import { AgentRun, type AgentRunContext, entriesOf, play } from './script.js'
import type { FanOut } from './traces.js'

const AGENT = 'supervisor'
const PATIENCE_MS = 60_000

interface OpenRun {
  readonly access: TenantAccess
  readonly fanOut: FanOut
  readonly context: AgentRunContext
  readonly atFork: { readonly position: number; readonly seen: string }
}

export interface MergedRun {
  readonly tenant: string
  readonly workflow: string
  readonly conflicts: readonly {
    readonly pointer: string
    readonly values: number
    readonly winner: unknown
  }[]
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
      supervisor.#replicas.set(tenant, await connect({ url: connection.url, token, client: AGENT }))
    }
    return supervisor
  }

  /** Both tenants use the same workflow ids. */
  async begin(fanOuts: readonly FanOut[]): Promise<void> {
    for (const access of this.connection.tenants) {
      for (const fanOut of fanOuts) this.#runs.push(await this.#begin(access, fanOut))
    }
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

  async #begin(access: TenantAccess, fanOut: FanOut): Promise<OpenRun> {
    const { tenant, mark } = access
    const { workflow, shared, attempts } = fanOut
    const replica = this.#replicas.get(tenant)!
    const context = (await replica.open(AgentRun, { workflow, agent: AGENT })) as AgentRunContext
    const writes = shared.map((message, at) => play(context, message, at, mark, false))
    await context.flush({ timeout_ms: PATIENCE_MS })
    const atFork = { position: context.position, seen: lookOf(context) }
    await Promise.all(attempts.map(({ branch }) => context.fork(branch).close({ timeout_ms: PATIENCE_MS })))
    const acks = writes.map(async ({ change, committed }) => ({
      tenant,
      workflow,
      change: change!,
      position: await committed,
    }))
    this.acked(await Promise.all(acks))
    return { access, fanOut, context, atFork }
  }

  async #merge({ access, fanOut, context, atFork }: OpenRun): Promise<MergedRun> {
    const { tenant, mark } = access
    const { workflow, attempts } = fanOut
    const expected = new Map(
      attempts.map(({ branch, messages }) => [branch, expectedEntries(messages, mark)]),
    )
    await context.until(() => this.#played(context, expected), { timeout_ms: PATIENCE_MS })
    const { conflicts, receipt } = context.merge(...attempts.map(attempt => attempt.branch))
    const position = await receipt.committed
    this.acked([{ tenant, workflow, change: receipt.change!, position }])
    return {
      tenant,
      workflow,
      position,
      conflicts: conflicts.map(({ pointer, values, winner }) => ({ pointer, values: values.length, winner })),
      timeTravel: lookOf(context.at(atFork.position)) === atFork.seen,
      complete: [...expected].every(([branch, entries]) => sameEntries(context, branch, entries)),
    }
  }

  /** The last message of every attempt has come. */
  #played(context: AgentRunContext, expected: ReadonlyMap<string, readonly string[]>): boolean {
    const counts = new Map<string, number>()
    for (const { entries, branch } of context.at(context.frontier).audit()) {
      counts.set(branch, (counts.get(branch) ?? 0) + entries.length)
    }
    return [...expected].every(([branch, entries]) => (counts.get(branch) ?? 0) >= entries.length)
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
