import {
  type Host,
  OVERLAY_WORKFLOW,
  type Revocations,
  type Store,
  type TenantStore,
  type WeftError,
} from '@weft/core'
import { isDamage } from '../base/log-errors.js'
import type { Patience } from '../base/patience.js'
import { TenantMeter, type TenantQuota, type TenantStanding } from '../base/quota.js'
import { ContextLog } from '../log/context-log.js'
import type { ContextHooks, ContextLogHost } from '../log/log-host.js'
import { beingDropped, type DroppedTenant, dropTenant } from './drop.js'
import { type OverlayHost, TenantOverlays } from './tenant-overlays.js'

interface Open {
  readonly opening: Promise<ContextLog>
  users: number
}

interface Tenant {
  readonly store: TenantStore
  readonly overlays: Promise<TenantOverlays>
  /** Rejects when the store cannot say what the tenant has. */
  readonly meter: Promise<TenantMeter>
  readonly contexts: Map<string, Open>
}

/** What else is to be known of tenants. */
export interface QuotaHost {
  quotaOf(tenant: string): TenantQuota
  /** A tenant is at the end of one of its quotas; told once, until it has room again. */
  exceeded(tenant: string, error: WeftError): void
}

/** Of a tenant that is being dropped. */
const ALL_REVOKED: Revocations = { tokens: {}, subjects: {}, all: Number.MAX_SAFE_INTEGER }

/**
 * The contexts that are open, by tenant and workflow: each at most once, or two would give out the same positions.
 * One that nobody has used for a while is let go: it costs its records on disk and nothing here.
 */
export class Contexts {
  private readonly hooks: ContextHooks
  readonly #tenants = new Map<string, Tenant>()
  /** Those that were found damaged when they were last read, tenant and workflow with a separator between. */
  readonly #quarantined = new Set<string>()
  /** Tenants that are being dropped, each with who waits until nobody uses a context of it any more. */
  readonly #drops = new Map<string, () => void>()
  #refusal: WeftError | undefined

  constructor(
    private readonly store: Store,
    private readonly host: ContextLogHost & OverlayHost & QuotaHost,
    private readonly idle_ms: number,
    hooks: ContextHooks,
  ) {
    this.hooks = {
      ...hooks,
      damaged: (tenant, workflow, error) => {
        this.#quarantined.add(keyOf(tenant, workflow))
        hooks.damaged(tenant, workflow, error)
      },
    }
  }

  get size(): number {
    let size = 0
    for (const tenant of this.#tenants.values()) size += tenant.contexts.size
    return size
  }

  get quarantined(): number {
    return this.#quarantined.size
  }

  /**
   * Each `acquire` is followed by one `release`, also when it rejects.
   * @throws WEFT_STORE_CORRUPT · WEFT_STORE_FAILED · WEFT_DRAINING · WEFT_TOKEN_REVOKED
   */
  acquire(tenantId: string, workflow: string): Promise<ContextLog> {
    if (this.#refusal) return Promise.reject(this.#refusal)
    if (this.#drops.has(tenantId)) {
      const ending = this.#tenants.get(tenantId)?.contexts.get(workflow)
      if (ending) ending.users++
      return Promise.reject(beingDropped(tenantId))
    }
    const tenant = this.#tenant(tenantId)
    let open = tenant.contexts.get(workflow)
    if (open === undefined) {
      open = { opening: this.#open(tenant, workflow), users: 0 }
      tenant.contexts.set(workflow, open)
    }
    open.users++
    return open.opening.then(log => {
      if (log.damage) throw log.damage
      return log
    })
  }

  /** What of a tenant's changes may be admitted now, as `WriteShares.room`. */
  room(tenantId: string, wake: () => void): number {
    return this.host.shares.room(tenantId, wake)
  }

  /** Of a tenant that has a context open. */
  overlays(tenantId: string): Promise<TenantOverlays> {
    return this.#tenant(tenantId).overlays
  }

  /** What a tenant has revoked, whether it has a context open or not. */
  async revocations(tenantId: string): Promise<Revocations> {
    if (this.#drops.has(tenantId)) return ALL_REVOKED
    const open = this.#tenants.get(tenantId)
    const overlays = open?.overlays ?? TenantOverlays.open(this.store.tenant(tenantId), this.host)
    return (await overlays).revocations
  }

  /** What a tenant stores, of what it may, whether it has a context open or not. @throws WEFT_STORE_FAILED */
  async standing(tenantId: string): Promise<TenantStanding> {
    const meter = this.#tenants.get(tenantId)?.meter ?? this.#meter(this.store.tenant(tenantId))
    return (await meter).standing
  }

  /** Resolves when all that was admitted by now to the logs of a tenant is on disk, or the store has failed. */
  async settled(tenantId: string): Promise<void> {
    const logs = [...this.#tenant(tenantId).contexts.values()]
    await Promise.all(logs.map(({ opening }) => opening.then(log => log.settled()).catch(() => {})))
  }

  /** Below the door, of one tenant. */
  storeOf(tenantId: string): TenantStore {
    return this.#tenants.get(tenantId)?.store ?? this.store.tenant(tenantId)
  }

  /**
   * Removes a context that nobody has open. Who opens it meanwhile waits, and finds it empty.
   * @param isOver whether it is still to be removed, asked when nobody can write to it any more
   * @returns whether it was removed
   * @throws what `isOver` throws · WEFT_STORE_FAILED · WEFT_DRAINING
   */
  async remove(tenantId: string, workflow: string, isOver: () => Promise<boolean>): Promise<boolean> {
    this.#checkOpen(tenantId)
    const tenant = this.#tenant(tenantId)
    const open = tenant.contexts.get(workflow)
    if (open && open.users > 0) return false
    const removing = this.#remove(tenant, workflow, open, isOver)
    const opening = removing.catch(() => {}).then(() => this.#open(tenant, workflow))
    // Who opens it hears of it; when nobody does, it would end the process.
    opening.catch(() => {})
    tenant.contexts.set(workflow, { opening, users: 1 })
    try {
      return await removing
    } finally {
      this.release(tenantId, workflow)
    }
  }

  /**
   * Removes everything of a tenant (TEN-4). Until that is done nobody is let in, and from then on nobody whose token is as
   * old as that.
   * @param sendAway ends whatever was granted by tokens that are revoked
   * @throws WEFT_STORE_FAILED · WEFT_DRAINING · WEFT_TOKEN_REVOKED when it is being dropped already
   */
  async drop(tenantId: string, sendAway: (revoked: Revocations) => void): Promise<DroppedTenant> {
    this.#checkOpen(tenantId)
    this.#drops.set(tenantId, () => {})
    try {
      sendAway(ALL_REVOKED)
      const ending = [...(this.#tenants.get(tenantId)?.contexts.values() ?? [])]
      await Promise.all(ending.map(({ opening }) => this.#end(opening, beingDropped(tenantId))))
      await this.#unused(tenantId)
      for (const key of this.#quarantined)
        if (key.startsWith(keyOf(tenantId, ''))) this.#quarantined.delete(key)
      const { hash, random, clock } = this.host
      const host: Host = { hash, random, now: () => clock.now() }
      return await this.#written(dropTenant(this.store.tenant(tenantId), host))
    } finally {
      // Not before: whoever asked in between would have made a new one of what is being removed.
      this.#tenants.delete(tenantId)
      this.#drops.delete(tenantId)
    }
  }

  release(tenantId: string, workflow: string): void {
    const open = this.#tenants.get(tenantId)?.contexts.get(workflow)
    if (open === undefined || --open.users > 0) return
    this.#drops.get(tenantId)?.()
    this.#letGoLater(tenantId, workflow, open)
  }

  /** Refuses any more users, writes what is admitted; returns how many changes could not be written in time. */
  async drain(refusal: WeftError, disk: Patience): Promise<number> {
    this.#refusal = refusal
    const all = [...this.#tenants.values()].flatMap(tenant => [...tenant.contexts.values()])
    const unwritten = await Promise.all(
      all.map(async ({ opening }) => {
        const log = await disk.for(opening.catch(() => undefined))
        if (log) await disk.for(log.flush())
        return log?.unwritten ?? 0
      }),
    )
    return unwritten.reduce((sum, count) => sum + count, 0)
  }

  #checkOpen(tenantId: string): void {
    if (this.#refusal) throw this.#refusal
    if (this.#drops.has(tenantId)) throw beingDropped(tenantId)
  }

  async #end(opening: Promise<ContextLog>, reason: WeftError): Promise<void> {
    const log = await opening.catch(() => undefined)
    log?.end(reason)
    await log?.flush()
  }

  /** Resolves when nobody uses a context of a tenant that is being dropped. */
  #unused(tenantId: string): Promise<void> {
    const contexts = this.#tenants.get(tenantId)?.contexts
    return new Promise(resolve => {
      const look = (): void => {
        if ([...(contexts?.values() ?? [])].every(({ users }) => users === 0)) resolve()
      }
      this.#drops.set(tenantId, look)
      look()
    })
  }

  async #remove(
    { store, meter }: Tenant,
    workflow: string,
    open: Open | undefined,
    isOver: () => Promise<boolean>,
  ): Promise<boolean> {
    const log = await open?.opening.catch(() => undefined)
    await log?.flush()
    const removed = await isOver()
    if (!removed) return false
    log?.close()
    const { bytes } = await this.#written(store.remove(workflow))
    this.#quarantined.delete(keyOf(store.tenant, workflow))
    void meter.then(
      known => known.removed(bytes),
      () => {},
    )
    return true
  }

  /** As with a log's: after a write that failed the store is of no use to anybody before it is opened anew (DUR-3). */
  async #written<T>(write: Promise<T>): Promise<T> {
    try {
      return await write
    } catch (error) {
      if (!(await this.#isUsable())) this.hooks.failed(error)
      throw error
    }
  }

  /** Whether the store still tells of anybody: not all that it refuses was a write of its own. */
  async #isUsable(): Promise<boolean> {
    try {
      await this.store.tenants()[Symbol.asyncIterator]().next()
      return true
    } catch {
      return false
    }
  }

  async #open({ store, overlays, meter }: Tenant, workflow: string): Promise<ContextLog> {
    let log: ContextLog | undefined
    const size = (): number => log?.size ?? 0
    const gate = (await meter).gate((await overlays).gate(workflow), workflow, size)
    try {
      log = await ContextLog.open(store, workflow, gate, this.host, this.hooks)
      this.#quarantined.delete(keyOf(store.tenant, workflow))
      return log
    } catch (error) {
      if (isDamage(error)) this.hooks.damaged(store.tenant, workflow, error)
      throw error
    }
  }

  #tenant(id: string): Tenant {
    let tenant = this.#tenants.get(id)
    if (tenant === undefined) {
      const store = this.store.tenant(id)
      const meter = this.#meter(store)
      // Who opens a context hears of it.
      meter.catch(() => {})
      tenant = { store, meter, overlays: TenantOverlays.open(store, this.host), contexts: new Map() }
      this.#tenants.set(id, tenant)
    }
    return tenant
  }

  async #meter(store: TenantStore): Promise<TenantMeter> {
    const { tenant } = store
    const exceeded = (error: WeftError): void => this.host.exceeded(tenant, error)
    return new TenantMeter(this.host.quotaOf(tenant), await store.usage(), exceeded)
  }

  #letGoLater(tenantId: string, workflow: string, open: Open): void {
    this.host.clock.after(this.idle_ms, () => void this.#letGo(tenantId, workflow, open))
  }

  async #letGo(tenantId: string, workflow: string, open: Open): Promise<void> {
    const log = await open.opening.catch(() => undefined)
    await log?.flush()
    const tenant = this.#tenants.get(tenantId)
    const overlays = await tenant?.overlays
    if (open.users > 0 || tenant?.contexts.get(workflow) !== open) return
    const reliedOn = workflow === OVERLAY_WORKFLOW && overlays?.reliedOn
    if (log?.leased || reliedOn) return this.#letGoLater(tenantId, workflow, open)
    log?.close()
    this.hooks.letGo(tenantId, workflow)
    tenant.contexts.delete(workflow)
    if (tenant.contexts.size === 0) this.#tenants.delete(tenantId)
  }
}

function keyOf(tenant: string, workflow: string): string {
  return `${tenant}\0${workflow}`
}
