import { WeftError } from './errors.js'
import { checkId, type EntryId } from './ids.js'
import { isPlainObject } from './json.js'
import { LIMITS } from './limits.js'
import { checkOverlayVersions, type OverlaysNote } from './overlay-notes.js'
import type { FlattenOrder } from './flatten.js'
import { entryRef, parseRef } from './ref.js'
import { checkKind, type ContextDefinition } from './schema.js'
import { SUMMARY_KIND } from './summaries.js'
import { WINDOW_FORMATS, type WindowFormat } from './window-formats.js'
import { type ToldOverlay, versionsOf } from './window-overlays.js'

/** How many tokens a text is, by some model's measure. `name` is recorded, so that a window can be made again. */
export interface TokenCounter {
  readonly name: string
  /** Whole, not negative, the same for the same text. */
  readonly count: (text: string) => number
  /**
   * Promises that a text is never more tokens than its pieces are together. Then pieces are counted once and kept;
   * of another counter's windows the whole text is counted each time as well.
   */
  readonly adds?: boolean
}

/** What becomes of an entry that is stale (WIN-3). */
export type StalePolicy = 'drop' | 'flag' | 'keep'

/** Entries that are always in a window: all of these kinds, and these. */
export interface Pins {
  readonly kinds?: readonly string[]
  readonly entries?: readonly EntryId[]
}

export interface WindowOptions<As extends WindowFormat = WindowFormat> {
  /** Tokens, at most: a whole number above 0. */
  readonly budget: number
  readonly count: TokenCounter
  /** Default `openai`. A call whose id another bears, or that the API does not take, is told with its result by a new one. */
  readonly as?: As
  readonly pin?: Pins
  /**
   * One policy, or one per kind with `*` for those that are not named. Default: what was said in the conversation is
   * kept, as it was said; all else is flagged.
   */
  readonly staleness?: StalePolicy | Readonly<Record<string, StalePolicy>>
  /** Default `branches`; the other one sorts the whole context for each window. */
  readonly order?: FlattenOrder
  /** Overlays to tell, as the system's, behind what is pinned of the system's own. Default: none. */
  readonly overlays?: readonly ToldOverlay[]
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

const OPTIONS: readonly string[] = ['budget', 'count', 'as', 'pin', 'staleness', 'order', 'overlays']
const PINS: readonly string[] = ['kinds', 'entries']
const ANY_KIND = '*'
const UP_TO_NAMES = `a list of up to ${LIMITS.window_names_max} texts`
const ORDERS: readonly unknown[] = ['branches', 'interleaved']
const POLICIES: readonly unknown[] = ['drop', 'flag', 'keep']

/** @throws WEFT_WINDOW_OPTIONS · WEFT_KIND_UNKNOWN · WEFT_REF_INVALID */
export function resolveOptions<As extends WindowFormat = 'openai'>(
  options: WindowOptions<As>,
  definition: ContextDefinition,
): WindowRecipe & { readonly as: As } {
  checkNames('', options, OPTIONS)
  const { budget, count, as = 'openai', pin = {}, staleness = {}, order = 'branches' } = options
  checkPins(pin)
  if (typeof count?.count !== 'function' || typeof count.name !== 'string' || count.name === '')
    throw badOption('count', count, 'a token counter: { name, count(text) }')
  const policies = typeof staleness === 'string' ? { [ANY_KIND]: staleness } : staleness
  const overlays = versionsOf(checkTold(options.overlays ?? []))
  const kinds = [...new Set([...definition.pinned, ...(pin.kinds ?? [])])].sort()
  const recipe: WindowRecipe = {
    budget,
    as,
    order,
    pin: { kinds, entries: [...new Set(pin.entries ?? [])].sort() },
    staleness: policies,
    ...(overlays && { overlays }),
  }
  checkRecipe(recipe)
  for (const kind of [...kinds, ...Object.keys(policies)]) if (kind !== ANY_KIND) checkKnown(kind, definition)
  return recipe as WindowRecipe & { readonly as: As }
}

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

/** What nobody knows would be of no effect, and nobody would be told. */
function checkNames(of: string, value: object, known: readonly string[]): void {
  for (const [name, each] of Object.entries(value)) {
    if (each === undefined || known.includes(name)) continue
    throw unknownOption(of + name.slice(0, 80), known)
  }
}

function checkPins(pin: unknown): void {
  if (!isPlainObject(pin)) throw badOption('pin', pin, 'an object with lists of kinds and entries')
  checkNames('pin.', pin, PINS)
  for (const [name, list] of Object.entries(pin))
    if (list !== undefined && !isShortList(list)) throw badOption(`pin.${name}`, list, UP_TO_NAMES)
}

function checkTold(overlays: unknown): readonly ToldOverlay[] {
  if (Array.isArray(overlays) && overlays.every(isPlainObject)) return overlays as unknown as ToldOverlay[]
  throw badOption('overlays', overlays, 'a list of { name, version, value }')
}

function isShortList(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length <= LIMITS.window_names_max &&
    value.every(item => typeof item === 'string')
  )
}

function checkKnown(kind: string, definition: ContextDefinition): void {
  if (kind !== SUMMARY_KIND) checkKind(definition, kind)
}

function unknownOption(option: string, known: readonly string[]): WeftError {
  return new WeftError(
    'WEFT_WINDOW_OPTIONS',
    `a window has no option ${JSON.stringify(option)}`,
    `pass any of ${known.join(', ')}`,
    { option },
  )
}

function badOption(option: string, value: unknown, allowed: string): WeftError {
  return new WeftError(
    'WEFT_WINDOW_OPTIONS',
    `a window's ${option} is ${JSON.stringify(value) ?? String(value)}`,
    `pass ${allowed}`,
    { option },
  )
}
