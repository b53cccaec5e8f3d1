import { WeftError } from '../base/errors.js'
import { FLATTEN_ORDERS, type FlattenOrder } from '../base/flatten-order.js'
import { checkId, type EntryId } from '../base/ids.js'
import { isPlainObject } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import { checkOverlayVersions, type OverlaysNote } from '../refs/overlay-notes.js'
import { entryRef, parseRef } from '../refs/ref.js'
import { WINDOW_FORMATS, type WindowFormat } from './window-formats.js'

/** What becomes of an entry that is stale (WIN-3). */
export type StalePolicy = 'drop' | 'flag' | 'keep'

/** Entries that are always in a window: all of these kinds, and these. */
export interface Pins {
  readonly kinds?: readonly string[]
  readonly entries?: readonly EntryId[]
}

/** What a window depends on beside the set and the counter; it can be recorded. */
export interface WindowRecipe {
  readonly budget: number
  readonly as: WindowFormat
  readonly order: FlattenOrder
  readonly pin: Required<Pins>
  readonly staleness: Readonly<Record<string, StalePolicy>>
  /** The overlays that it tells; undefined for none. */
  readonly overlays?: OverlaysNote
}

/** In place of a kind: all that are not named. */
export const ANY_KIND = '*'
const ORDERS: readonly unknown[] = FLATTEN_ORDERS
const POLICIES: readonly unknown[] = ['drop', 'flag', 'keep']

/** What `policies` say of a kind; undefined when they say nothing. */
export function policyOf({ staleness }: WindowRecipe, kind: string): StalePolicy | undefined {
  if (Object.hasOwn(staleness, kind)) return staleness[kind]
  return Object.hasOwn(staleness, ANY_KIND) ? staleness[ANY_KIND] : undefined
}

/** Throws unless it is a recipe, whoever wrote it. @throws WEFT_WINDOW_OPTIONS · WEFT_REF_INVALID · WEFT_ID_INVALID */
export function checkRecipe(
  value: { readonly [Key in keyof WindowRecipe]: unknown },
): asserts value is WindowRecipe {
  const { budget, as, order, pin, staleness, overlays } = value
  if (!Number.isSafeInteger(budget) || (budget as number) < 1)
    throw badOption('budget', budget, 'a whole number of tokens, from 1')
  if (!(WINDOW_FORMATS as readonly unknown[]).includes(as))
    throw badOption('as', as, WINDOW_FORMATS.join(', '))
  if (!ORDERS.includes(order)) throw badOption('order', order, ORDERS.join(', '))
  if (!isPlainObject(pin) || !isShortList(pin.kinds) || !isShortList(pin.entries))
    throw badOption('pin', pin, `up to ${LIMITS.window_names_max} kinds and entries`)
  for (const kind of pin.kinds) checkId('kind', kind)
  for (const entry of pin.entries) parseRef(entryRef(entry))
  if (!isPlainObject(staleness) || Object.keys(staleness).length > LIMITS.window_names_max)
    throw badOption('staleness', staleness, `a policy for up to ${LIMITS.window_names_max} kinds`)
  for (const [kind, policy] of Object.entries(staleness)) {
    if (kind !== ANY_KIND) checkId('kind', kind)
    if (!POLICIES.includes(policy)) throw badOption(`staleness.${kind}`, policy, POLICIES.join(', '))
  }
  if (overlays !== undefined) checkOverlayVersions(overlays)
}

export function isShortList(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length <= LIMITS.window_names_max &&
    value.every(item => typeof item === 'string')
  )
}

export function badOption(option: string, value: unknown, allowed: string): WeftError {
  return new WeftError(
    'WEFT_WINDOW_OPTIONS',
    `a window's ${option} is ${JSON.stringify(value) ?? String(value)}`,
    `pass ${allowed}`,
    { option },
  )
}
