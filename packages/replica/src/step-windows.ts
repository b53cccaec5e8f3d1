import {
  type ChangeSet,
  type EntryId,
  type HeaderNotes,
  LIMITS,
  recordOf,
  type Window,
  WeftError,
  windowReads,
} from '@weft/core'

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

  reads(): EntryId[] {
    if (this.#windows.size === 0) return []
    const seen = [...this.#windows.values()].flatMap(({ included }) => included.map(({ entry }) => entry))
    return windowReads(this.set, seen)
  }
}

function tooMany(): WeftError {
  return new WeftError(
    'WEFT_WINDOW_OPTIONS',
    `a step can make ${LIMITS.windows_per_change_max} different windows`,
    'make further windows in another step',
  )
}
