import { fromHex } from '../base/bytes.js'
import { isPlainObject } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import { checkRecipe, type WindowRecipe } from './window-recipe.js'

/** Raise when a release makes other bytes of the same set, recipe and counter. */
export const WINDOW_FORMAT = 1
const DIGEST_BYTES = 32

/** A window as the notes of a step keep it (STP-2): what makes it again, and what came out. */
export interface WindowRecord extends WindowRecipe {
  readonly format: number
  /** The counter, by its name. */
  readonly count: string
  readonly tokens: number
  /** SHA-256 of the window's exact bytes. */
  readonly digest: Uint8Array
}

interface Recorded {
  readonly recipe: WindowRecipe
  readonly counter: string
  readonly tokens: number
  readonly digest: string
}

/** A window as it is recorded. */
export function recordOf({ recipe, counter, tokens, digest }: Recorded): WindowRecord {
  return { format: WINDOW_FORMAT, ...recipe, count: counter, tokens, digest: fromHex(digest) }
}

/** Throws unless `value`, of whatever origin, is a list of records. @throws TypeError, and as `checkRecipe` */
export function checkWindowRecords(value: unknown): asserts value is readonly WindowRecord[] {
  if (!Array.isArray(value) || value.length > LIMITS.windows_per_change_max)
    throw new TypeError('windows are not a short list')
  for (const record of value as unknown[]) checkRecord(record)
}

function checkRecord(record: unknown): void {
  if (!isPlainObject(record)) throw new TypeError('a window is not a map')
  const { format, count, tokens, digest, budget, as, order, pin, staleness, overlays } = record
  if (!Number.isSafeInteger(format)) throw new TypeError('the format of a window is not a number')
  if (typeof count !== 'string' || count.length > LIMITS.label_chars_max)
    throw new TypeError('the counter of a window is not a short text')
  if (typeof tokens !== 'number' || !(tokens >= 0))
    throw new TypeError('the tokens of a window are not a number')
  if (!(digest instanceof Uint8Array) || digest.length !== DIGEST_BYTES)
    throw new TypeError('the digest of a window is not a hash')
  // What another release made is its own affair: it is carried, and not made again here.
  if (format === WINDOW_FORMAT) checkRecipe({ budget, as, order, pin, staleness, overlays })
}
