import {
  type AgentId,
  checkOverlayName,
  type Enforcement,
  ENFORCEMENTS,
  isEngineOverlay,
  type Json,
  MAIN_BRANCH,
  OVERLAY_KIND,
  type OverlayName,
  overlayRef,
  type Position,
  WeftError,
} from '@weft/core'
import { TIMER_MS_MAX } from '../base/arguments.js'
import { checkLabels } from '../base/context-errors.js'
import { leftOf, type WaitOptions } from '../base/waiting.js'
import type { Asked } from '../sync/asked.js'
import type { ContextReplica } from '../sync/context-replica.js'
import type { OverlayTable } from '../overlays/overlay-table.js'
import { isRefusedFor, propose } from '../writing/proposer.js'
import type { WriteOptions } from './branch-editor.js'

export interface PublishOptions extends WriteOptions, WaitOptions {
  /**
   * What it asks of steps under an older version: `commit` (the default) that they end and commit nothing, `step` that
   * none begins, `advisory` (what is the engine's own always is) nothing.
   */
  readonly enforce?: Enforcement
  /**
   * Resolve only when no worker that follows overlays can begin a step under an older version, nor, with `commit`,
   * commit one.
   */
  readonly barrier?: boolean
  /** The version that must be in force still, 0 for none; otherwise it is published after whatever is. */
  readonly after?: number
  /** Who publishes. Default `publisher`. */
  readonly agent?: AgentId
}

/** A version that is in force. */
export interface Published {
  readonly name: OverlayName
  readonly version: number
  readonly position: Position
}

const SCHEMA = { name: 'weft.overlays', version: 1 }
const TIMEOUT_MS = 10_000
/** What the answer to a barrier may take beyond the time that the peer is given. */
const GRACE_MS = 2_000
const ATTEMPTS_MAX = 64

/** What publishing needs of the replica. */
export interface PublishHost {
  readonly context: ContextReplica
  readonly table: OverlayTable
  readonly asked: Asked
}

/**
 * Puts a value into force as the next version of an overlay: decided by the peer, one after the other.
 * @throws as `Overlays.publish`
 */
export async function publishOverlay(
  host: PublishHost,
  name: OverlayName,
  value: Json,
  options: PublishOptions,
): Promise<Published> {
  checkOverlayName(name)
  checkLabels([options.reason])
  const { enforce = isEngineOverlay(name) ? 'advisory' : 'commit', barrier = false } = options
  if (!ENFORCEMENTS.includes(enforce)) throw unknownEnforcement(enforce)
  const remaining = leftOf(host.asked.clock, options.timeout_ms ?? TIMEOUT_MS)
  const left = () => ({ ...options, ...remaining() })
  const published = await publishNext(host, name, value, { ...options, enforce }, left)
  if (barrier) await untilBarred(host.asked, published, left())
  return published
}

async function publishNext(
  { context, table }: PublishHost,
  name: OverlayName,
  value: Json,
  { after, enforce, reason, agent = 'publisher' }: PublishOptions & { readonly enforce: Enforcement },
  left: () => WaitOptions,
): Promise<Published> {
  const scope = { context, branch: MAIN_BRANCH, agent, under: undefined, schema: SCHEMA }
  for (let attempt = 1; ; attempt++) {
    const version = (after ?? table.inForce.get(name)?.version ?? 0) + 1
    const notes = { publishes: { name, version, enforce }, ...(reason !== undefined && { reason }) }
    const entries = [{ kind: OVERLAY_KIND, value }]
    try {
      const { position } = await propose(
        scope,
        { entries, writes: [overlayRef(name, version)], notes },
        {},
        left(),
      )
      return { name, version, position }
    } catch (error) {
      const raced = isRefusedFor(error, 'WEFT_OVERLAY_VERSION') && after === undefined
      if (!raced || attempt >= ATTEMPTS_MAX) throw error
      const { current } = error.details
      await context.until(() => (table.inForce.get(name)?.version ?? 0) >= Number(current), left())
    }
  }
}

/** @throws WEFT_OVERLAY_BARRIER · WEFT_ABORTED */
async function untilBarred(asked: Asked, published: Published, wait: WaitOptions): Promise<void> {
  // What crosses the wire is a whole number, and at the peer a timer.
  const timeout_ms = Math.min(Math.ceil(wait.timeout_ms!), TIMER_MS_MAX)
  const request = asked.questions.barrier(published.position, timeout_ms)
  const late = () => notReached(published, ['the peer, which does not answer'], undefined)
  const { holders, left_ms } = await asked.answer<'barred'>(
    request,
    { ...wait, timeout_ms: timeout_ms + GRACE_MS },
    late,
  )
  if (holders.length > 0) throw notReached(published, holders, left_ms)
}

function notReached(
  published: Published,
  holders: readonly string[],
  left_ms: number | undefined,
): WeftError {
  const { name, version } = published
  const names = `${holders.slice(0, 3).join(', ')}${holders.length > 3 ? ` and ${holders.length - 3} more` : ''}`
  return new WeftError(
    'WEFT_OVERLAY_BARRIER',
    `${name}@${version} is in force, but a step may still begin without it, on: ${names}` +
      (left_ms === undefined ? '' : `; for ${left_ms} ms at most`),
    'it stays published: wait until that time has passed, or see why these workers cannot be reached',
    { ...published, holders, ...(left_ms !== undefined && { left_ms }) },
  )
}

function unknownEnforcement(enforce: unknown): WeftError {
  return new WeftError(
    'WEFT_USAGE',
    `an overlay cannot be enforced by ${JSON.stringify(enforce)}`,
    `use one of ${ENFORCEMENTS.join(', ')}`,
  )
}
