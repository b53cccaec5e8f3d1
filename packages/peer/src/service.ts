import {
  type Clock,
  type Hash,
  isWeftError,
  OVERLAY_WORKFLOW,
  type Random,
  type Store,
  type Transport,
  WeftError,
} from '@weft/core'
import type { Logger } from 'pino'
import type { PeerLimits } from './base/limits.js'
import { PageCache } from './base/page-cache.js'
import type { Patience } from './base/patience.js'
import type { PeerMetrics } from './base/peer-metrics.js'
import { quotaOf } from './base/quota.js'
import { Rates } from './base/rates.js'
import { checkNotRevoked, LiveGrants } from './tokens/live-grants.js'
import type { SessionSigner } from './tokens/session-tokens.js'
import type { TokenGrant, TokenVerifier } from './tokens/token.js'
import { type Soon, Turns } from './turns/turns.js'
import { WriteShares } from './turns/write-shares.js'
import { WriteWatch } from './turns/write-watch.js'
import type { StateTrial } from './trials/state-trial.js'
import { Contexts } from './tenants/contexts.js'
import { type DroppedTenant, dropTenant } from './tenants/drop.js'
import { Connection } from './door/connection.js'

export interface ServiceOptions {
  /** Opens the store; called again after a failed write, when the outcome has to be found out (DUR-3). */
  readonly openStore: () => Promise<Store>
  /** What a token says, whether it is revoked or not. */
  readonly verify: TokenVerifier
  readonly sessions: SessionSigner
  readonly limits: PeerLimits
  readonly metrics: PeerMetrics
  readonly log: Logger
  readonly clock: Clock
  readonly soon: Soon
  readonly hash: Hash
  readonly random: Random
  readonly trial: StateTrial
}

/** What else follows the store of a service. */
export interface ServiceHooks {
  opened(contexts: Contexts, store: Store): void
  /** The log of a context has grown. */
  advanced(tenant: string, workflow: string): void
  /** Nobody has used a context for a while, and it is let go of. */
  letGo(tenant: string, workflow: string): void
  /** Nothing is left of a tenant. */
  dropped(tenant: string): void
  failed(error: WeftError): void
}

const REOPEN_MS = 250
/** From a drop that could not be ended to the next attempt; twice as long after each. */
const DROP_AGAIN_MS = 1_000
const DROP_AGAIN_MS_MAX = 60_000
const CLOSE_TRY_LATER = 1013
const DROP_ENDED = 'the drop of a tenant, which was cut short, is done'
const DROP_NOT_ENDED = 'the drop of a tenant cannot be ended: nobody of it is let in'

/**
 * What a peer does with its store and for its connections, whoever makes the sockets: a server of this process, or a
 * simulated network.
 */
export class PeerService {
  readonly #connections = new Set<Connection>()
  /** What is granted to whoever is connected now, here and at the other doors of the peer. */
  readonly grants: LiveGrants
  readonly #turns: Turns
  readonly #rates: Rates
  readonly #writes: WriteWatch
  #pages: PageCache | undefined
  #store: Store | undefined
  #contexts: Contexts | undefined
  #reopening: Promise<void> | undefined
  /** Those whose drops are to be tried again. */
  #awaitsDrops: Contexts | undefined
  #draining = false

  constructor(
    private readonly options: ServiceOptions,
    private readonly hooks: ServiceHooks,
  ) {
    this.#turns = new Turns(options.soon)
    this.#rates = new Rates(tenant => quotaOf(tenant, options.limits).changes_per_second_max)
    const { clock, limits, log } = options
    const revocationsOf = async (tenant: string) => this.contexts.revocations(tenant)
    this.#writes = new WriteWatch(clock, limits.stall_ms, {
      stalled: age_ms =>
        log.error({ age_ms }, 'a write to the store has not ended: the disk does not answer'),
      over: age_ms => log.warn({ age_ms }, 'the write to the store that was late has ended'),
    })
    this.grants = new LiveGrants(clock, limits.connections_per_tenant_max, revocationsOf)
  }

  get ready(): boolean {
    return this.#contexts !== undefined && !this.#draining
  }

  get connections(): number {
    return this.#connections.size
  }

  get openContexts(): number {
    return this.#contexts?.size ?? 0
  }

  /** How long the oldest write to the store has been under way; 0 when none is. */
  get oldestWrite_ms(): number {
    return this.#writes.oldest_ms
  }

  /** What the pages take that are kept of logs, bytes. */
  get pageBytes(): number {
    return this.#pages?.bytes ?? 0
  }

  get quarantined(): number {
    return this.#contexts?.quarantined ?? 0
  }

  /** @throws WEFT_STORE_FAILED */
  get contexts(): Contexts {
    if (this.#contexts) return this.#contexts
    throw storeFailed()
  }

  /** @throws WEFT_STORE_LOCKED · WEFT_STORE_FAILED · WEFT_STORE_CORRUPT */
  async start(): Promise<void> {
    const { options, hooks } = this
    const { hash, random, clock, limits, metrics, trial } = options
    const store = await options.openStore()
    this.#store = store
    // Those of a store that failed go with its contexts.
    const pages = new PageCache(limits.read_cache_bytes_max)
    this.#pages = pages
    await this.#finishDrops(store)
    const started_ms = clock.steady()
    const { overlay_lease_ms } = limits
    const turn = (tenant: string, cost: number) => this.#turns.turn(tenant, cost)
    const host = {
      ...{ hash, random, clock, started_ms, trial, overlay_lease_ms, turn },
      shares: new WriteShares(clock, limits.share_cost),
      pages,
      branch_heads_max: limits.branch_heads_max,
      quotaOf: (tenant: string) => quotaOf(tenant, limits),
      exceeded: (tenant: string, { code, message }: WeftError) => options.log.warn({ tenant, code }, message),
    }
    const contexts = new Contexts(store, host, limits.idle_ms, {
      writing: (changes, work) => this.#writing(changes, work),
      damaged: (tenant, workflow, error) => {
        metrics.damaged()
        options.log.error({ tenant, workflow, err: error }, 'context is damaged, and quarantined')
      },
      advanced: (tenant, workflow) => {
        hooks.advanced(tenant, workflow)
        if (workflow === OVERLAY_WORKFLOW) void this.#endRevoked(contexts, tenant)
      },
      letGo: (tenant, workflow) => hooks.letGo(tenant, workflow),
      // Other writes to a store that failed may fail later, when the next one is open.
      failed: error => contexts === this.#contexts && this.#storeFailed(error),
    })
    this.#contexts = contexts
    hooks.opened(contexts, store)
    this.#endDropsLater(contexts, store)
  }

  /** What a token allows, unless its tenant has revoked it. @throws WEFT_TOKEN_* · WEFT_STORE_FAILED */
  async verify(token: string): Promise<TokenGrant> {
    const grant = await this.options.verify(token)
    checkNotRevoked(grant, await this.contexts.revocations(grant.tenant))
    return grant
  }

  /** Removes everything of a tenant, and ends what it was granted: as `Contexts.drop`. */
  async drop(tenant: string): Promise<DroppedTenant> {
    const { contexts } = this
    try {
      return await this.#drop(contexts, tenant)
    } catch (error) {
      const store = this.#store!
      if (contexts === this.#contexts && store.unfinishedDrops.includes(tenant)) {
        this.options.log.error({ tenant, err: error }, DROP_NOT_ENDED)
        this.#endDropsLater(contexts, store)
      }
      throw error
    }
  }

  async #drop(contexts: Contexts, tenant: string): Promise<DroppedTenant> {
    const dropped = await contexts.drop(tenant, revoked => this.grants.recheck(tenant, revoked))
    this.hooks.dropped(tenant)
    return dropped
  }

  /** Takes over a socket that is open. */
  accept(socket: Transport): void {
    const { options } = this
    // A socket that fails without a listener would end the process.
    socket.on('error', error => options.log.debug({ err: error.message }, 'socket error'))
    const contexts = this.#contexts
    if (
      contexts === undefined ||
      this.#draining ||
      this.#connections.size >= options.limits.connections_max
    ) {
      socket.close(CLOSE_TRY_LATER, 'try again later')
      return
    }
    const verify = (token: string) => this.verify(token)
    const connection = new Connection(socket, {
      ...options,
      ...{ contexts, verify, grants: this.grants, turns: this.#turns, rates: this.#rates },
    })
    this.#connections.add(connection)
    socket.on('close', () => this.#connections.delete(connection))
  }

  /** Takes no new work, and leaves unread what comes from now on. */
  pause(): void {
    this.#draining = true
    this.options.log.info({ connections: this.#connections.size }, 'draining')
    for (const connection of this.#connections) connection.pause()
  }

  /** Writes what was taken, sends the acks, and everyone away; returns how many changes could not be written in time. */
  async drain(reason: WeftError, disk: Patience): Promise<number> {
    const contexts = this.#contexts
    await disk.for(this.#turns.idle())
    const unacked = (await contexts?.drain(reason, disk)) ?? 0
    for (const connection of this.#connections) connection.fail(reason)
    return unacked
  }

  terminate(): void {
    for (const connection of this.#connections) connection.terminate()
  }

  async close(): Promise<void> {
    await this.#reopening
    await this.#store
      ?.close()
      .catch(error => this.options.log.error({ err: error }, 'the store did not close cleanly'))
  }

  /** What a peer has died of, or could not end, is ended before anybody is let in. @throws WEFT_STORE_FAILED */
  async #finishDrops(store: Store): Promise<void> {
    const { hash, random, clock, log } = this.options
    for (const tenant of store.unfinishedDrops) {
      try {
        await dropTenant(store.tenant(tenant), { hash, random, now: () => clock.now() })
        this.hooks.dropped(tenant)
        log.warn({ tenant }, DROP_ENDED)
      } catch (error) {
        if (isWeftError(error) && error.code === 'WEFT_STORE_FAILED') throw error
        log.error({ tenant, err: error }, DROP_NOT_ENDED)
      }
    }
  }

  /** Nobody can ask again for a drop that could not be ended, for nobody of its tenant is let in: it is tried again here. */
  #endDropsLater(contexts: Contexts, store: Store, after_ms = DROP_AGAIN_MS): void {
    const { clock, log } = this.options
    if (this.#awaitsDrops === contexts || store.unfinishedDrops.length === 0) return
    this.#awaitsDrops = contexts
    clock.after(after_ms, async () => {
      for (const tenant of store.unfinishedDrops) {
        if (contexts !== this.#contexts || this.#draining) break
        await this.#drop(contexts, tenant).then(
          () => log.warn({ tenant }, DROP_ENDED),
          error => log.error({ tenant, err: error }, DROP_NOT_ENDED),
        )
      }
      this.#awaitsDrops = undefined
      if (contexts === this.#contexts && !this.#draining)
        this.#endDropsLater(contexts, store, Math.min(2 * after_ms, DROP_AGAIN_MS_MAX))
    })
  }

  async #writing<T>(changes: number, work: () => Promise<T>): Promise<T> {
    const { metrics } = this.options
    const started = performance.now()
    const done = await this.#writes.during(work)
    metrics.committed(changes)
    metrics.commitSeconds((performance.now() - started) / 1000)
    return done
  }

  async #endRevoked(contexts: Contexts, tenant: string): Promise<void> {
    try {
      this.grants.recheck(tenant, await contexts.revocations(tenant))
    } catch (error) {
      this.options.log.error({ tenant, err: error }, 'it cannot be read what the tenant has revoked')
    }
  }

  /** What became of the write is unknown: everyone is sent away, the store opened anew, and asked (DUR-3). */
  #storeFailed(error: unknown): void {
    this.#contexts = undefined
    this.options.metrics.storeFailures()
    this.options.log.error({ err: error }, 'the store failed; opening it again')
    const failure = storeFailed()
    for (const connection of this.#connections) connection.fail(failure)
    this.hooks.failed(failure)
    this.#reopening = this.#reopen()
  }

  async #reopen(): Promise<void> {
    const { log, clock } = this.options
    await this.#store?.close().catch(() => {})
    while (this.#contexts === undefined && !this.#draining) {
      try {
        await this.start()
        log.info('the store is open again')
      } catch (again) {
        log.error({ err: again }, 'the store cannot be opened')
        await new Promise<void>(resolve => void clock.after(REOPEN_MS, resolve))
      }
    }
  }
}

function storeFailed(): WeftError {
  return new WeftError(
    'WEFT_STORE_FAILED',
    'a write to the store failed, and what became of it is not known yet',
    'connect again and offer the same changes: their ids make that harmless',
  )
}
