import { WeftError } from '../base/errors.js'
import { type BranchName, checkId } from '../base/ids.js'

const BRANCH = 'branch:'
const EFFECT = 'effect:'
const WAKE = 'wake:'

/** What stands for a branch where a lease is asked for. */
export function branchRef(branch: BranchName): string {
  return BRANCH + branch
}

export function isEffectRef(ref: string): boolean {
  return ref.startsWith(EFFECT)
}

/** What stands for a named subscription of a workflow. @throws WEFT_ID_INVALID */
export function wakeRef(subscription: string): string {
  return WAKE + checkId('subscription', subscription)
}

/** The name of the subscription that a ref stands for, or undefined for other refs. */
export function subscriptionOf(ref: string): string | undefined {
  return ref.startsWith(WAKE) ? ref.slice(WAKE.length) : undefined
}

/** Whether a change that writes this ref may be taken only if nobody else holds it. */
export function isFencedRef(ref: string): boolean {
  return isEffectRef(ref) || ref.startsWith(WAKE)
}

/** What stands for a side effect of a workflow; the key may hold any characters. @throws WEFT_REF_INVALID */
export function effectRef(key: string): string {
  try {
    return EFFECT + encodeURIComponent(key)
  } catch {
    throw new WeftError(
      'WEFT_REF_INVALID',
      'an effect key with half a surrogate pair',
      'use a key of whole characters',
    )
  }
}
