import { WeftError } from '../base/errors.js'
import type { FlattenOrder } from '../base/flatten-order.js'
import { isPlainObject } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import { SUMMARY_KIND } from '../refs/engine-kinds.js'
import type { WindowFormat } from '../messages/window-formats.js'
import {
  ANY_KIND,
  badOption,
  checkRecipe,
  isShortList,
  type Pins,
  type StalePolicy,
  type WindowRecipe,
} from '../messages/window-recipe.js'
import { checkKind, type ContextDefinition } from '../definitions/schema.js'
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

const OPTIONS: readonly string[] = ['budget', 'count', 'as', 'pin', 'staleness', 'order', 'overlays']
const PINS: readonly string[] = ['kinds', 'entries']
const UP_TO_NAMES = `a list of up to ${LIMITS.window_names_max} texts`

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
