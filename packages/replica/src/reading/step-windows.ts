import {
  type ChangeSet,
  type EntryId,
  type HeaderNotes,
  LIMITS,
  recordOf,
  type Window,
  WeftError,
  fewestReads,
} from '@weft/core'

/** So many entries that a step has read are named, whether one leads to another or not. */
const NAMED_EACH_MAX = 32

/** The windows that a step saw: what its change records of them (STP-2), and what it read by them (STL-1). */
export class StepWindows {
  readonly #windows = new Map<string, Window>()

  constructor(private readonly set: ChangeSet) {}

  /** @throws WEFT_WINDOW_OPTIONS when the step has made as many different ones as its change can record */
  add(window: Window): void {
    const name = JSON.stringify([window.recipe, window.counter])
    if (!this.#windows.has(name) && this.#windows.size >= LIMITS.windows_per_change_max) throw tooMany()
    this.#windows.set(name, window)
  }

  notes(): HeaderNotes {
    return this.#windows.size === 0 ? {} : { windows: [...this.#windows.values()].map(recordOf) }
  }

  /**
   * The entries that the step was derived from, ascending: what it saw, and what it read one by one; of many, as few as
   * will do, or else the headers of an agent that looks at all there is would grow with all there is.
   */
  reads(readEach: Iterable<EntryId>): EntryId[] {
    const seen = [...this.#windows.values()].flatMap(({ included }) => included.map(({ entry }) => entry))
    const all = new Set([...readEach, ...(seen.length === 0 ? [] : fewestReads(this.set, seen))])
    return all.size > NAMED_EACH_MAX ? fewestReads(this.set, all) : [...all].sort()
  }
}

function tooMany(): WeftError {
  return new WeftError(
    'WEFT_WINDOW_OPTIONS',
    `a step can make ${LIMITS.windows_per_change_max} different windows`,
    'make further windows in another step',
  )
}
