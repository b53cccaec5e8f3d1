import type { Store, TenantStore, WeftError } from '@weft/core'
import { type ContextHooks, ContextLog, type ContextLogHost } from './context-log.js'

interface Open {
  readonly opening: Promise<ContextLog>
  users: number
}

interface Tenant {
  readonly store: TenantStore
  readonly contexts: Map<string, Open>
}

/**
 * The contexts that are open, by tenant and workflow: each at most once, or two would give out the same positions.
 * One that nobody has used for a while is let go: it costs its records on disk and nothing here.
 */
export class Contexts {
  readonly #tenants = new Map<string, Tenant>()
  #refusal: WeftError | undefined

  constructor(
    private readonly store: Store,
    private readonly host: ContextLogHost,
    private readonly idle_ms: number,
    private readonly hooks: ContextHooks,
  ) {}

  get size(): number {
    let size = 0
    for (const tenant of this.#tenants.values()) size += tenant.contexts.size
    return size
  }

  /**
   * Each `acquire` is followed by one `release`, also when it rejects.
   * @throws WEFT_STORE_CORRUPT · WEFT_STORE_FAILED · WEFT_DRAINING
   */
  acquire(tenantId: string, workflow: string): Promise<ContextLog> {
    if (this.#refusal) return Promise.reject(this.#refusal)
    const { store, contexts } = this.#tenant(tenantId)
    let open = contexts.get(workflow)
    if (open === undefined) {
      open = { opening: ContextLog.open(store, workflow, this.host, this.hooks), users: 0 }
      contexts.set(workflow, open)
    }
    open.users++
    return open.opening
  }

  release(tenantId: string, workflow: string): void {
    const open = this.#tenants.get(tenantId)?.contexts.get(workflow)
    if (open === undefined || --open.users > 0) return
    this.#letGoLater(tenantId, workflow, open)
  }

  /** Refuses any more users, writes what is admitted; returns how many changes could not be written. */
  async drain(refusal: WeftError): Promise<number> {
    this.#refusal = refusal
    const all = [...this.#tenants.values()].flatMap(tenant => [...tenant.contexts.values()])
    const unwritten = await Promise.all(
      all.map(async ({ opening }) => {
        const log = await opening.catch(() => undefined)
        await log?.flush()
        return log?.unwritten ?? 0
      }),
    )
    return unwritten.reduce((sum, count) => sum + count, 0)
  }

  #tenant(id: string): Tenant {
    let tenant = this.#tenants.get(id)
    if (tenant === undefined) {
      tenant = { store: this.store.tenant(id), contexts: new Map() }
      this.#tenants.set(id, tenant)
    }
    return tenant
  }

  #letGoLater(tenantId: string, workflow: string, open: Open): void {
    this.host.clock.after(this.idle_ms, () => void this.#letGo(tenantId, workflow, open))
  }

  async #letGo(tenantId: string, workflow: string, open: Open): Promise<void> {
    const log = await open.opening.catch(() => undefined)
    await log?.flush()
    const tenant = this.#tenants.get(tenantId)
    if (open.users > 0 || tenant?.contexts.get(workflow) !== open) return
    if (log?.leased) return this.#letGoLater(tenantId, workflow, open)
    tenant.contexts.delete(workflow)
    if (tenant.contexts.size === 0) this.#tenants.delete(tenantId)
  }
}
