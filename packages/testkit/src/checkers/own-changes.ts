import { type Change, OVERLAY_WORKFLOW, REVOCATIONS_OVERLAY, WEFT_AGENT } from '@weft/core'
import type { Place } from '../observation.js'
import { SIM_LIMITS } from '../sim-limits.js'

/** A change that a peer writes by itself: it depends on too many heads, and holds nothing. */
export function isJoin({ header, state }: Change): boolean {
  const { agent, deps, kinds, writes, reads, notes } = header
  return (
    agent === WEFT_AGENT &&
    deps.length > SIM_LIMITS.branch_heads_max &&
    state === null &&
    [kinds, writes, reads].every(list => list.length === 0) &&
    Object.keys(notes).join() === 'reason'
  )
}

/**
 * The other one: what a peer leaves of a tenant that was dropped.
 * @returns up to when a token is revoked that was issued by then, in seconds since 1970 UTC; of any other change undefined
 */
export function revokesAll({ workflow }: Place, change: Change): number | undefined {
  const { agent, deps, notes } = change.header
  const { name } = REVOCATIONS_OVERLAY
  if (workflow !== OVERLAY_WORKFLOW || agent !== PEER_AGENT || deps.length > 0) return undefined
  if (notes.publishes?.name !== name || notes.publishes.version !== 1) return undefined
  const [value] = change.values() as readonly { readonly all?: number }[]
  return value?.all
}

const PEER_AGENT = 'weft-peer'
