import { WeftError } from './errors.js'
import type { BranchName } from './ids.js'

const BRANCH = 'branch:'
const EFFECT = 'effect:'

/** What stands for a branch where a lease is asked for. */
export function branchRef(branch: BranchName): string {
  return BRANCH + branch
}

export function isEffectRef(ref: string): boolean {
  return ref.startsWith(EFFECT)
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
