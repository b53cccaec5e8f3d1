import type { StandardSchemaV1 } from '@standard-schema/spec'
import { isPlainObject, type Json } from '../base/json.js'
import { defineOverlay } from '../definitions/overlay-schema.js'
import { validate } from '../definitions/schema.js'

/** What a tenant has revoked (TEN-5). Times are seconds since 1970 UTC, as tokens have them. */
export interface Revocations {
  /** Single tokens by their ids, each with when it expires: from then on it need not be remembered. */
  readonly tokens: Readonly<Record<string, number>>
  /** By subject: those of its tokens that were issued by then. */
  readonly subjects: Readonly<Record<string, number>>
  /** All tokens that were issued by then; null for none. */
  readonly all: number | null
}

/** What a token says of itself that it can be revoked by. */
export interface TokenIdentity {
  readonly id: string | undefined
  readonly subject: string | undefined
  /** Undefined when it does not say: then it is as old as any. */
  readonly issued: number | undefined
}

export const NOTHING_REVOKED: Revocations = { tokens: {}, subjects: {}, all: null }

const schema: StandardSchemaV1<Revocations> = {
  '~standard': {
    version: 1,
    vendor: 'weft',
    validate: value =>
      areRevocations(value)
        ? { value: { tokens: value.tokens, subjects: value.subjects, all: value.all } }
        : { issues: [{ message: 'expected { tokens, subjects, all }, with times in whole seconds' }] },
  },
}

/**
 * The tenant's revocations, as an overlay of the engine's own: durable, in force at the peer as soon as they are
 * admitted, with a history that says who revoked what, when and why; they take an admin to publish.
 */
export const REVOCATIONS_OVERLAY = defineOverlay('weft.revocations', schema)

/** @throws WEFT_SCHEMA_REFUSED */
export function checkRevocations(value: unknown): Revocations {
  return validate(schema, value, `overlay ${REVOCATIONS_OVERLAY.name}`) as Revocations
}

export function isRevoked({ tokens, subjects, all }: Revocations, token: TokenIdentity): boolean {
  const { id, subject, issued = 0 } = token
  if (id !== undefined && Object.hasOwn(tokens, id)) return true
  if (subject !== undefined && Object.hasOwn(subjects, subject) && issued <= subjects[subject]!) return true
  return all !== null && issued <= all
}

function areRevocations(value: unknown): value is Revocations & { readonly [key: string]: Json } {
  if (!isPlainObject(value)) return false
  const { tokens, subjects, all } = value
  return isTimes(tokens) && isTimes(subjects) && (all === null || isTime(all))
}

function isTimes(value: unknown): value is Readonly<Record<string, number>> {
  return isPlainObject(value) && Object.values(value).every(isTime)
}

function isTime(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
