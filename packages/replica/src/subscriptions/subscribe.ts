import {
  canonicalJson,
  checkFilter,
  checkSubscription,
  type Filter,
  fromHex,
  type Json,
  type Position,
  unreached,
  WeftError,
  wakeNote,
  wakeRef,
} from '@weft/core'
import { checkWait, type WaitOptions } from '../base/waiting.js'
import { type ProposalScope, propose } from '../writing/proposer.js'
import { isTaken, untilMoved } from '../leases/lease.js'

export interface SubscribeOptions extends Filter, WaitOptions {
  /** The first position that it is about. Default 1: all that has ever happened. */
  readonly from?: Position
  /** Define it anew if it is there with another filter, or to go to `from`; a claim on it is waited for. */
  readonly replace?: boolean
}

/**
 * Defines a subscription, if it is not there already with the same filter. The definition is a change that takes the
 * lease on the subscription and gives it back: so of two that define it at once one is first, and what was claimed under
 * an older definition cannot be acknowledged under this one.
 * @throws WEFT_SUBSCRIPTION_EXISTS · WEFT_FILTER_INVALID · WEFT_ID_INVALID · WEFT_POSITION_UNKNOWN · WEFT_LEASE_HELD when
 *   `timeout_ms` passes first, and as `Proposal.offer`
 */
export async function subscribe(
  begin: () => ProposalScope,
  name: string,
  options: SubscribeOptions,
): Promise<void> {
  const { from = 1, replace = false, signal, timeout_ms, ...lists } = checkWait(options)
  const on = wakeRef(checkSubscription(name))
  const filter = checkFilter(lists)
  const wait = { ...(signal && { signal }), ...(timeout_ms !== undefined && { timeout_ms }) }
  for (;;) {
    const scope = begin()
    const { set, index } = scope.context
    const known = set.wakes.filterOf(name)
    if (known && !replace && isSame(known, filter)) return
    if (known && !replace) throw exists(name, known)
    const wake = wakeNote(from - 1, lastBefore(from, index), filter)
    const seen = set.leases.get(on)
    const lease = { on, epoch: (seen?.epoch ?? 0) + 1, ttl_ms: 0 }
    try {
      await propose(scope, { writes: [on], notes: { lease, wake } }, {}, wait)
      return
    } catch (error) {
      if (!isTaken(error, on)) throw error
      await untilMoved(scope, on, seen, error, wait)
    }
  }
}

/** The id of the change before a position. @throws WEFT_POSITION_UNKNOWN */
function lastBefore(from: Position, index: ProposalScope['context']['index']): Uint8Array {
  if (!Number.isSafeInteger(from) || from < 1 || from > index.position + 1) {
    throw unreached(from, index.position)
  }
  return fromHex(index.idAt(from - 1) ?? '')
}

function isSame(a: Filter, b: Filter): boolean {
  return canonicalJson(a as Json) === canonicalJson(b as Json)
}

function exists(name: string, filter: Filter): WeftError {
  return new WeftError(
    'WEFT_SUBSCRIPTION_EXISTS',
    `subscription ${name} is there with another filter: ${JSON.stringify(filter)}`,
    'use another name, or pass `replace` to define it anew for all who use it',
    { subscription: name, filter },
  )
}
