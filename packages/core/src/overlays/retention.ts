import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { ChangeId } from '../base/ids.js'
import type { Change } from '../change/change.js'
import { unpackIds } from '../change/header.js'
import { defineOverlay } from '../definitions/overlay-schema.js'
import { validate } from '../definitions/schema.js'

/** How long a tenant keeps what is completed; null is for ever. */
export interface RetentionRule {
  readonly keep_ms: number | null
}

const ruleSchema: StandardSchemaV1<RetentionRule> = {
  '~standard': {
    version: 1,
    vendor: 'weft',
    validate: value =>
      isRule(value)
        ? { value: { keep_ms: value.keep_ms } }
        : { issues: [{ message: 'expected { keep_ms: a whole number of ms from 0, or null }' }] },
  },
}

/**
 * The tenant's rule (TIR-2), as an overlay of the engine's own: so it has a history that says who set it, when and why, and
 * takes an admin to publish.
 */
export const RETENTION_OVERLAY = defineOverlay('weft.retention', ruleSchema)

/** The rule that a value published under that name makes. @throws WEFT_SCHEMA_REFUSED */
export function checkRetentionRule(value: unknown): RetentionRule {
  return validate(ruleSchema, value, `overlay ${RETENTION_OVERLAY.name}`) as RetentionRule
}

function isRule(value: unknown): value is RetentionRule {
  const { keep_ms } = (value ?? {}) as Partial<RetentionRule>
  return keep_ms === null || (Number.isSafeInteger(keep_ms) && keep_ms! >= 0)
}

/** What a rule says of a context; times in ms since 1970 UTC. */
export type Retention =
  /** Not completed, or written to since by somebody who did not know. */
  | { readonly is: 'open' }
  | { readonly is: 'kept'; readonly until_ms: number | null }
  | { readonly is: 'over'; readonly since_ms: number }

/**
 * Whether a change completes its context: nothing is in the log after it, nor beside it but what its author knew of.
 * So whatever is written later, or at the same time elsewhere, opens a context again until somebody completes it anew.
 * @param last the last change of the committed log
 * @param heads all heads of the context
 */
function completes(last: Change, heads: readonly ChangeId[]): boolean {
  const { completes: packed } = last.header.notes
  if (packed === undefined) return false
  const known = new Set([last.id, ...unpackIds(packed)])
  return heads.every(head => known.has(head))
}

/**
 * What is to become of a context (TIR-2). Its age is counted from the completion, by the clock of who completed it.
 * @param last the last change of the committed log, `heads` all heads of the context
 */
export function retentionOf(
  last: Change,
  heads: readonly ChangeId[],
  { keep_ms }: RetentionRule,
  now_ms: number,
): Retention {
  if (!completes(last, heads)) return { is: 'open' }
  if (keep_ms === null) return { is: 'kept', until_ms: null }
  const until_ms = last.header.time + keep_ms
  return until_ms > now_ms ? { is: 'kept', until_ms } : { is: 'over', since_ms: until_ms }
}
