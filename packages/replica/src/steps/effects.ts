import {
  assertJson,
  type ChangeId,
  EFFECT_KIND,
  type EffectOutcome,
  type Entry,
  type EntryId,
  effectRef,
  entryOf,
  formatRef,
  type Json,
  LIMITS,
  type ManifestRef,
  type OverlaysNote,
  pointerOf,
  readOutcome,
  reasonOf,
  sayRef,
  type Stale,
  type StaleCause,
  stateRef,
  type WeftError,
} from '@weft/core'
import { WIRE_LIMITS } from '@weft/protocol'
import { LinkedSignal } from '../base/aborts.js'
import {
  effectElsewhere,
  effectErased,
  effectKeyInvalid,
  effectKeyUsed,
  effectRefused,
  effectReliesOnTooMuch,
  effectResult,
} from '../base/effect-errors.js'
import type { Asked } from '../sync/asked.js'
import { isRefusedFor, type ProposalScope, propose } from '../writing/proposer.js'
import { acquireLease, isTaken, type Lease, type LeaseOptions, untilMoved } from '../leases/lease.js'

/** Asks the outside for the version that something has now; undefined when it is gone. */
export type Resolver = (uri: string, signal: AbortSignal) => Promise<string | undefined> | string | undefined

export interface EffectOptions extends LeaseOptions {
  /** External refs that it relies on, with the versions seen, beside what the step has read: `ext:doc/17@v3`. */
  readonly dependsOn?: readonly string[]
  /** Default: that of `Replica.open`. */
  readonly resolve?: Resolver
}

/** What a side effect is called with. */
export interface EffectCall {
  /** The same at every attempt: pass it on, and what is called can tell a repetition. */
  readonly idempotencyKey: string
  /** Aborts with the step, and when another worker has taken the effect over. */
  readonly signal: AbortSignal
  /** How often it has been begun, this time included. */
  readonly attempt: number
}

/** A step's use of an effect, and what it has read before. */
export interface EffectUse {
  readonly step: string
  readonly key: string
  readonly reads: readonly ManifestRef[]
  readonly signal: AbortSignal
  /** What the step runs under: none is begun under what is not in force any more. */
  readonly overlays?: OverlaysNote
}

/** What is recorded of an effect that was done. */
export interface EffectResult {
  readonly entry: EntryId
  readonly change: ChangeId
  readonly result: Json
}

export interface EffectHost {
  readonly asked: Asked
  readonly resolve: Resolver | undefined
  begin(): ProposalScope
  /** The heads that the step saw. */
  seen(): readonly ChangeId[]
  /** Whether an entry that was read is stale by now, and why. @throws WEFT_CHANGE_UNKNOWN */
  stale(entry: EntryId): Stale | undefined
}

type Work = (call: EffectCall) => Promise<unknown> | unknown
/** Something that an effect relied on and that is not as it was. */
interface Moved {
  readonly refs: readonly string[]
  readonly reason: string
}

const KEY_CHARS_MAX = 256
/** Beyond this many refs an effect is held to rely on all of the state. */
const UNMOVED_MAX = 200

/**
 * Runs a side effect once (STP-3): it is claimed at the peer by a lease, which is had only while nothing that the step
 * has read has moved; run; and its result recorded, which ends the lease for good. Whoever uses the same key later is
 * given what is recorded, a refusal too. A claimant that dies is followed by the next when its lease has run out.
 *
 * @throws WEFT_EFFECT_REFUSED · WEFT_EFFECT_KEY · WEFT_EFFECT_RESULT · WEFT_LEASE_LOST when another worker took over
 *   while it ran · WEFT_USAGE · WEFT_ABORTED, and whatever `work` throws: then the next attempt may run it again
 */
export async function runEffect(
  host: EffectHost,
  use: EffectUse,
  work: Work,
  options: EffectOptions,
): Promise<EffectResult> {
  if (use.key === '' || use.key.length > KEY_CHARS_MAX) throw effectKeyInvalid(use.key)
  const ref = effectRef(use.key)
  const linked = new LinkedSignal(options.signal ? [options.signal, use.signal] : [use.signal])
  const wait = { ...options, signal: linked.signal }
  try {
    for (;;) {
      const known = recorded(host.begin(), use, ref)
      if (known) return known
      const moved = await movedOutside(host, use, options)
      if (moved) {
        await refuse(host, use, ref, moved, wait)
        continue
      }
      const lease = await claim(host, use, ref, wait)
      if (lease) return await perform(host, use, ref, lease, work, wait)
    }
  } finally {
    linked.letGo()
  }
}

function recorded({ context, branch }: ProposalScope, use: EffectUse, ref: string): EffectResult | undefined {
  const { set } = context
  const node = set.effects.outcomeOf(ref)
  if (node === undefined) return undefined
  const entry: Entry | undefined = set.entriesOf(node)[0]
  if (entry !== undefined && !set.view(branch).has(node)) throw effectElsewhere(use.key, entry.branch, branch)
  if (entry?.erased) throw effectErased(use.key, entry)
  const outcome = readOutcome(entry?.value)
  if (entry === undefined || outcome === undefined) return undefined
  if (outcome.key !== use.key || outcome.step !== use.step) throw effectKeyUsed(use, outcome)
  if (outcome.outcome === 'refused') throw effectRefused(outcome, entry)
  if (outcome.unkept !== undefined) throw effectResult(outcome, entry)
  return { entry: entry.id, change: entry.change, result: outcome.result }
}

/** The lease under which the effect may be run; undefined when there is something to read about it by now. */
async function claim(
  host: EffectHost,
  use: EffectUse,
  ref: string,
  wait: LeaseOptions,
): Promise<Lease | undefined> {
  const request = {
    on: ref,
    writes: [ref],
    unmoved: reliedOn(use),
    heads: host.seen(),
    notes: { step: use.step, ...(use.overlays && { overlays: use.overlays }) },
  }
  try {
    return await acquireLease(() => host.begin(), host.asked, request, wait)
  } catch (error) {
    if (isRefusedFor(error, 'WEFT_PRECONDITION')) await refuse(host, use, ref, movedAtPeer(error), wait)
    else if (isRefusedFor(error, 'WEFT_LEASE_ENDED')) await untilRecorded(host.begin(), ref, wait)
    else throw error
    return undefined
  }
}

/** The refs that must not have moved at the peer; what an entry was derived from only a replica can tell. */
function reliedOn({ key, reads }: EffectUse): string[] {
  const all = reads.filter(({ ref }) => entryOf(ref) === undefined).map(formatRef)
  const others = all.filter(ref => pointerOf(ref) === undefined)
  const refs = all.length - others.length > UNMOVED_MAX ? [stateRef(''), ...others] : all
  const { unmoved_max } = WIRE_LIMITS
  if (refs.length > unmoved_max) throw effectReliesOnTooMuch(key, refs.length, unmoved_max)
  return refs
}

async function perform(
  host: EffectHost,
  use: EffectUse,
  ref: string,
  lease: Lease,
  work: Work,
  wait: LeaseOptions,
): Promise<EffectResult> {
  const scope = host.begin()
  const release = () => lease.release({ timeout_ms: RELEASE_MS }).catch(() => {})
  const linked = new LinkedSignal([use.signal, lease.signal])
  let value: unknown
  try {
    const { signal } = linked
    const { tenant, workflow } = scope.context
    const idempotencyKey = `weft:${tenant}:${workflow}:${use.key}`
    value = (await work({ idempotencyKey, signal, attempt: lease.epoch })) ?? null
    lease.check()
  } catch (error) {
    await release()
    throw error
  } finally {
    linked.letGo()
  }
  // It was done: from here on it must not be done again, whatever it gave.
  const heads = [...host.seen(), lease.change]
  const write = (outcome: EffectOutcome) => record(scope, use, ref, lease.epoch, outcome, heads, wait)
  try {
    await write(outcomeOf(use, value)).catch(error => {
      if (!isRefusedFor(error, 'WEFT_CHANGE_TOO_LARGE')) throw error
      return write(unkept(use, error))
    })
  } catch (error) {
    if (isRefusedFor(error, 'WEFT_CHANGE_TOO_LARGE')) await release()
    throw error
  } finally {
    lease.spent()
  }
  return recorded(host.begin(), use, ref)!
}

function outcomeOf(use: EffectUse, value: unknown): EffectOutcome {
  try {
    assertJson(value)
    return { key: use.key, step: use.step, outcome: 'done', result: value }
  } catch (error) {
    return unkept(use, error)
  }
}

function unkept({ key, step }: EffectUse, error: unknown): EffectOutcome {
  const reason = reasonOf(error).slice(0, LIMITS.label_chars_max)
  return { key, step, outcome: 'done', result: null, unkept: reason }
}

/** Writes what has come of the effect, and ends its lease for good. */
async function record(
  scope: ProposalScope,
  use: EffectUse,
  ref: string,
  epoch: number,
  outcome: EffectOutcome,
  heads: readonly ChangeId[],
  wait: LeaseOptions,
): Promise<void> {
  const entries = [{ kind: EFFECT_KIND, value: outcome as unknown as Json }]
  const notes = { step: use.step, lease: { on: ref, epoch, ttl_ms: 0, final: true } }
  await propose(scope, { entries, writes: [ref], reads: use.reads, notes }, {}, wait, heads)
}

/** Records a refusal, unless somebody runs it at this moment: then it is waited for what comes of that. */
async function refuse(
  host: EffectHost,
  use: EffectUse,
  ref: string,
  { refs, reason }: Moved,
  wait: LeaseOptions,
): Promise<void> {
  const scope = host.begin()
  const seen = scope.context.set.leases.get(ref)
  const outcome: EffectOutcome = { key: use.key, step: use.step, outcome: 'refused', reason, moved: refs }
  try {
    await record(scope, use, ref, (seen?.epoch ?? 0) + 1, outcome, host.seen(), wait)
  } catch (error) {
    if (isRefusedFor(error, 'WEFT_LEASE_ENDED')) return untilRecorded(scope, ref, wait)
    if (!isTaken(error, ref)) throw error
    await untilMoved(scope, ref, seen, error, wait)
  }
}

/** What has come of it stands in the log, and is on its way. */
async function untilRecorded({ context }: ProposalScope, ref: string, wait: LeaseOptions): Promise<void> {
  await context.until(() => context.set.effects.outcomeOf(ref) !== undefined, wait)
}

/** What the peer cannot know: entries that have become stale, and what the outside says of itself. */
async function movedOutside(
  host: EffectHost,
  { reads, signal }: EffectUse,
  options: EffectOptions,
): Promise<Moved | undefined> {
  for (const { ref } of reads) {
    const entry = entryOf(ref)
    const cause = entry === undefined ? undefined : rootCause(host, entry)
    if (cause) {
      const reason = `entry ${entry!.slice(0, 12)} is stale: ${cause.change.slice(0, 12)} wrote ${sayRef(cause.wrote)}`
      return { refs: [ref], reason }
    }
  }
  const resolve = options.resolve ?? host.resolve
  if (resolve === undefined) return undefined
  for (const { ref, version } of reads) {
    if (version === undefined || !ref.startsWith(EXTERNAL)) continue
    const now = await resolve(ref.slice(EXTERNAL.length), signal)
    if (now !== version) return { refs: [ref], reason: `${ref} is ${now ?? 'gone'}, and was ${version}` }
  }
  return undefined
}

/** What made an entry stale, be it by way of others. */
function rootCause(host: EffectHost, entry: EntryId): StaleCause | undefined {
  const stale = host.stale(entry)
  for (const cause of stale?.causes ?? []) return cause
  for (const source of stale?.via ?? []) return rootCause(host, source)
  return undefined
}

function movedAtPeer({ message, details }: WeftError): Moved {
  const moved = Array.isArray(details.moved) ? (details.moved as { ref?: unknown }[]) : []
  return {
    refs: [...new Set(moved.map(each => String(each?.ref)))],
    reason: message.slice(0, LIMITS.label_chars_max),
  }
}

const EXTERNAL = 'ext:'
const RELEASE_MS = 2_000
