import {
  type AgentId,
  type BranchName,
  type Change,
  type ContextDefinition,
  checkBranch,
  checkId,
  ANY_CONTEXT,
  checkAnyWorkflow,
  checkCarriedOver,
  checkOverlays,
  checkWorkflow,
  type EntrySchemas,
  type Handoff,
  MAIN_BRANCH,
  OVERLAY_WORKFLOW,
  type WeftError,
  type WorkflowId,
} from '@weft/core'
import { type ReplicaEffect, ReplicaSession } from '@weft/protocol'
import { checkFunction, checkObject, checkTime } from './base/arguments.js'
import { flushDeadline, unanswered } from './base/context-errors.js'
import { checkClient, checkTokenSource, type TokenSource } from './base/credential.js'
import type { ReplicaListener } from './base/events.js'
import { isolated } from './base/listeners.js'
import { nodeHost, type ReplicaHost } from './base/node-host.js'
import { checkWait, type Deferred, deferred, type WaitOptions, within } from './base/waiting.js'
import { Asked } from './sync/asked.js'
import { ContextReplica } from './sync/context-replica.js'
import { type ContextHandle, Handles } from './sync/handles.js'
import { Link } from './sync/link.js'
import { branchNotHere, notSynced, replicaClosed, silent } from './sync/replica-errors.js'
import { reach } from './sync/sessions.js'
import { type Gate, untilResolved } from './reading/conflict-gate.js'
import { checkHandoff, type Resumed, type ResumeOptions } from './leases/handoff.js'
import type { Resolver } from './steps/effects.js'
import { Context, type ContextHost } from './handles/context.js'
import { Overlays } from './handles/overlays.js'
import { checkPeerUrl } from './peer-url.js'

export interface ConnectOptions extends WaitOptions {
  /** The peer's address: `ws://…` or `wss://…`. */
  readonly url: string
  /** A token, or where to get one: asked again when the peer says that the last has expired. */
  readonly token: TokenSource
  /** How the peer's log names this worker. */
  readonly client?: string
  readonly onEvent?: ReplicaListener
  /** Steps run under the tenant's overlays, and begin only when those in force are known (OVL-2). Default: they do not. */
  readonly overlays?: boolean
  /** Return at once, connected or not. */
  readonly offline?: boolean
  /** A peer that says nothing for about twice as long is given up, and connected to anew. Default 15,000. */
  readonly ping_ms?: number
  /** Where time, randomness and sockets come from. Default: this process. */
  readonly host?: ReplicaHost
}

export interface OpenOptions extends WaitOptions {
  readonly workflow: WorkflowId
  readonly agent: AgentId
  /** Default `main`. */
  readonly branch?: BranchName
  /** A session token, from any replica: open when all that its session had written and seen is here (SES-1). */
  readonly after?: string
  /** Wait, as long as it takes or until `timeout_ms`, until somebody has resolved all conflicts of the branch. */
  readonly gate?: Gate
  /** Tells the versions of external refs, whenever an effect is about to rely on one (STP-3). */
  readonly resolve?: Resolver
  /** Whether an older branch is migrated now, and not with the first write; it is shown as if it were. Default true. */
  readonly migrate?: boolean
  /** Do not wait for what the peer has: the context begins with what is here, and fills when there is a connection. */
  readonly offline?: boolean
}

export interface Unacknowledged {
  readonly workflow: WorkflowId
  readonly changes: readonly Change[]
}

const TIMEOUT_MS = 10_000
const PING_MS = 15_000

/**
 * A worker's replica of its tenant's contexts, kept in sync with a peer.
 * @throws WEFT_PEER_UNREACHABLE · WEFT_TOKEN_* · WEFT_ABORTED · WEFT_USAGE
 */
export async function connect(options: ConnectOptions): Promise<Replica> {
  const replica = new Replica(options)
  if (options.offline) return replica
  try {
    await replica.connected({ timeout_ms: TIMEOUT_MS, ...options })
    return replica
  } catch (error) {
    await replica.close({ discard: true })
    throw error
  }
}

export class Replica {
  readonly #host: ReplicaHost
  readonly #session: ReplicaSession
  readonly #link: Link
  readonly #asked: Asked
  readonly #followsOverlays: boolean
  /** The tenant's overlays: published, read and watched here. */
  readonly overlays: Overlays
  readonly #onEvent: ReplicaListener
  readonly #contexts = new Map<WorkflowId, ContextReplica>()
  readonly #handles = new Handles()
  #welcome: Deferred<void> = deferred()
  #scopes: readonly string[] = []
  #failure: WeftError | undefined
  #closed = false
  /** Why nothing is begun here any more: it was closed, or is being closed. */
  #sealed: WeftError | undefined

  /** @internal Use `connect`. */
  constructor(options: ConnectOptions) {
    checkPeerUrl(checkObject('what connect was given', options, 'pass { url, token }').url)
    this.#host = options.host ?? nodeHost
    this.#onEvent = isolated(checkFunction('onEvent', options.onEvent ?? (() => {})))
    this.#session = new ReplicaSession(checkClient(options.client ?? 'weft-replica'))
    this.#link = new Link(this.#session, {
      url: options.url,
      token: checkTokenSource(options.token),
      host: this.#host,
      ping_ms: checkTime('ping_ms', options.ping_ms ?? PING_MS),
      onEvent: this.#onEvent,
      perform: effect => this.#perform(effect),
      onFailed: error => this.#failed(error),
    })
    this.#asked = new Asked(this.#session.questions, this.#link)
    this.overlays = new Overlays({ asked: this.#asked, follow: () => this.#overlayLog() })
    this.#followsOverlays = options.overlays ?? false
    if (this.#followsOverlays) this.overlays.follow()
    void this.#link.connect()
  }

  /** As the peer read it from the token; undefined before the first connection. */
  get tenant(): string | undefined {
    return this.#session.tenant
  }

  get scopes(): readonly string[] {
    return this.#scopes
  }

  get online(): boolean {
    return this.#session.phase === 'ready'
  }

  /** Changes written here and not acknowledged, by context. */
  get unacknowledged(): readonly Unacknowledged[] {
    return [...this.#contexts.values()]
      .filter(context => context.unacknowledgedCount > 0)
      .map(context => ({ workflow: context.workflow, changes: context.unacknowledged }))
  }

  /** Resolves when the peer has taken the token. @throws WEFT_PEER_UNREACHABLE · WEFT_TOKEN_* · WEFT_ABORTED */
  async connected(options: WaitOptions = {}): Promise<void> {
    await within(this.#host.clock, this.#welcome.promise, options, () => this.#link.lastError ?? silent())
  }

  /**
   * Opens a branch of a context for an agent, when what the peer has of it is here. A branch that is older than the
   * definition is migrated, or, with `offline`, without `migrate` or without the right to write, shown as if it were.
   * @throws WEFT_ID_INVALID · WEFT_BRANCH_UNKNOWN · WEFT_NOT_SYNCED · WEFT_WORKFLOW_FORBIDDEN · WEFT_SCOPE ·
   *   WEFT_STORE_CORRUPT · WEFT_CONFLICTS_OPEN · WEFT_SCHEMA_UNKNOWN · WEFT_MIGRATION_FAILED · WEFT_ABORTED · WEFT_CLOSED ·
   *   WEFT_USAGE
   */
  open<State, Entries extends EntrySchemas>(
    definition: ContextDefinition<State, Entries>,
    options: OpenOptions,
  ): Promise<Context<State, Entries>> {
    return this.#open(definition, options, !options?.offline && options?.migrate !== false)
  }

  /** @param migrates whether what is older is migrated now, and not with the first write */
  async #open<State, Entries extends EntrySchemas>(
    definition: ContextDefinition<State, Entries>,
    options: OpenOptions,
    migrates: boolean,
  ): Promise<Context<State, Entries>> {
    const { workflow, agent, branch = MAIN_BRANCH } = checkOpening(definition, options)
    // Whoever cannot write may look at the engine's own.
    if ((definition as unknown) === ANY_CONTEXT) checkAnyWorkflow(workflow)
    else checkWorkflow(workflow)
    checkId('agent', agent)
    checkId('branch', branch)
    // What is written there shows on no branch that work is done on.
    if ((definition as unknown) !== ANY_CONTEXT) checkBranch(branch)
    this.#checkOpen()
    const context = this.#context(workflow)
    const onOpen = (handle: ContextHandle): void => this.#handles.add(handle)
    // Or else closing the last of the others would take the context away meanwhile.
    const waiting = this.#handles.wait(workflow)
    try {
      const wait = { timeout_ms: TIMEOUT_MS, ...options }
      if (!options.offline) {
        await within(this.#host.clock, context.synced, wait, () =>
          notSynced(workflow, wait.timeout_ms, this.#link.lastError),
        )
      }
      if (options.after !== undefined) await reach(this.#asked, context, options.after, wait)
      this.#checkOpen()
      if (!context.set.branches.has(branch)) throw branchNotHere(context, branch)
      const host: ContextHost = {
        asked: this.#asked,
        resolve: options.resolve,
        overlays: this.#followsOverlays ? () => this.overlays.follow() : undefined,
        onOpen,
        onClose: closing => this.#released(closing),
      }
      const handle = new Context(context, host, definition, agent, branch)
      try {
        if (options.gate) await untilResolved(handle, options)
        this.#checkOpen()
        handle.admit(this.#session.mayWrite(workflow) && migrates)
      } catch (error) {
        handle.giveUp()
        throw error
      }
      onOpen(handle)
      return handle
    } finally {
      this.#released(waiting)
    }
  }

  /**
   * Goes on where another worker has handed over (HND-1): checks the whole of the handoff, and opens its branch when all
   * that its session had written and seen is here, under a lease if one is asked for.
   * @throws WEFT_HANDOFF_INVALID · WEFT_HANDOFF_FOREIGN · WEFT_SCHEMA_UNKNOWN · WEFT_SESSION_*, and as `open` and
   *   `Context.lease`; then nothing is open
   */
  async resume<State, Entries extends EntrySchemas>(
    definition: ContextDefinition<State, Entries>,
    value: Handoff | string,
    options: ResumeOptions = {},
  ): Promise<Resumed<Context<State, Entries>>> {
    const wait = { timeout_ms: TIMEOUT_MS, ...options }
    await this.connected(wait)
    const { from, ...handoff } = checkHandoff(value, this.tenant, definition)
    const { branch, session: after } = handoff
    const { workflow, agent } = { ...from, ...(options.agent !== undefined && { agent: options.agent }) }
    const { lease } = options
    const context = await this.#open(definition, { workflow, agent, branch, after, ...wait }, false)
    try {
      checkCarriedOver({ ...handoff, from }, id => context.positionOf(id))
      checkOverlays(handoff, await context.overlaysInForce(wait))
      if (lease) await context.lease({ ...wait, ...(lease === true ? {} : lease) })
      context.admit(this.#session.mayWrite(workflow))
      return { context, carried: handoff.carried, handoff }
    } catch (error) {
      await context.discard()
      throw error
    }
  }

  /** Resolves when all that has been written here by now is durable. @throws WEFT_FLUSH_DEADLINE · WEFT_ABORTED, and the peer's errors */
  async flush(options: WaitOptions = {}): Promise<void> {
    if (this.#failure && this.#unacknowledgedCount > 0) throw this.#failure
    const drained = Promise.all([...this.#contexts.values()].map(context => context.drained()))
    await within(this.#host.clock, drained, options, () => flushDeadline(this.#unacknowledgedCount))
  }

  /**
   * Waits until all is durable, gives back the leases of its handles, and disconnects; whoever would write meanwhile is
   * refused (WEFT_CLOSED). If all is not durable within `timeout_ms` it throws, and the replica stays as it was, with
   * everything in `unacknowledged`: call again, or with `discard` to leave regardless.
   * @throws WEFT_FLUSH_DEADLINE · WEFT_ABORTED
   */
  async close(options: WaitOptions & { readonly discard?: boolean } = {}): Promise<void> {
    if (this.#closed) return
    const { discard } = checkWait(options)
    this.#seal(replicaClosed())
    try {
      if (!discard) await this.flush({ timeout_ms: TIMEOUT_MS, ...options })
    } catch (error) {
      if (!this.#closed) this.#seal(undefined)
      throw error
    }
    // Who leaves regardless does not wait for a peer that is out of reach.
    await this.#handles.giveBack(discard && !this.online ? { timeout_ms: 0 } : options)
    if (this.#closed) return
    this.#closed = true
    this.overlays.failed(replicaClosed())
    // So that no barrier waits for a worker that is gone.
    this.#link.perform(this.#session.shut(OVERLAY_WORKFLOW))
    this.#link.close()
    this.#welcome.reject(replicaClosed())
    this.#asked.fail(replicaClosed())
    for (const context of this.#contexts.values()) context.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #checkOpen(): void {
    if (this.#sealed) throw this.#sealed
  }

  /** Who wrote on would hold up the end for ever, or lose what it wrote last. */
  #seal(reason: WeftError | undefined): void {
    this.#sealed = reason
    for (const context of this.#contexts.values()) context.sealed = reason
  }

  get #unacknowledgedCount(): number {
    let count = 0
    for (const context of this.#contexts.values()) count += context.unacknowledgedCount
    return count
  }

  #context(workflow: WorkflowId): ContextReplica {
    const known = this.#contexts.get(workflow)
    if (known && (known.failure === undefined || this.#failure)) return known
    const context =
      known ?? new ContextReplica(workflow, this.#session, this.#link, this.#host, this.#onEvent)
    this.#contexts.set(workflow, context)
    if (this.#failure) {
      context.failed(this.#failure)
      return context
    }
    this.#link.perform(this.#session.open(workflow, context.index.position))
    if (known) known.revive()
    return context
  }

  #overlayLog(): ContextReplica {
    this.#checkOpen()
    this.#handles.keep(OVERLAY_WORKFLOW)
    return this.#context(OVERLAY_WORKFLOW)
  }

  /** The last handle on a context takes the context with it. */
  #released(handle: ContextHandle): void {
    if (!this.#handles.delete(handle)) return
    const { workflow } = handle
    const context = this.#contexts.get(workflow)
    if (context === undefined || context.unacknowledgedCount > 0) return
    this.#contexts.delete(workflow)
    context.close()
    this.#link.perform(this.#session.shut(workflow))
  }

  #perform(effect: ReplicaEffect): void {
    switch (effect.do) {
      case 'welcomed':
        this.#scopes = effect.scopes
        this.#welcome.resolve()
        return
      case 'opened':
        this.#contexts.get(effect.workflow)?.opened(effect.count, effect.rollback, effect.position)
        return
      case 'deliver':
        this.#contexts.get(effect.workflow)?.deliver(effect.from, effect.items)
        return
      case 'acked':
        this.#contexts.get(effect.workflow)?.acked(effect.acks)
        return
      case 'refused':
        this.#contexts.get(effect.workflow)?.refused(effect.id, effect.error)
        return
      case 'caught-up':
        this.#contexts.get(effect.workflow)?.caughtUp(effect.afterRollback, effect.heads)
        return
      case 'attested':
      case 'renewed':
      case 'current':
      case 'barred':
      case 'denied':
        this.#asked.answered(effect)
        return
      case 'channel-failed':
        this.#contexts.get(effect.workflow)?.lost(effect.error, effect.undecided)
        if (effect.workflow === OVERLAY_WORKFLOW) this.overlays.failed(effect.error)
        return
      default:
        return
    }
  }

  #failed(error: WeftError): void {
    this.#failure = error
    this.#welcome.reject(error)
    this.#asked.fail(error, unanswered(error))
    for (const context of this.#contexts.values())
      context.lost(error, this.#session.undecidedOf(context.workflow))
    this.overlays.failed(error)
  }
}

function checkOpening(definition: unknown, options: OpenOptions): OpenOptions {
  checkObject('the definition', definition, 'pass what defineContext returns')
  return checkObject('what open was given beside it', options, 'pass { workflow, agent }')
}
