import {
  type OverlayName,
  type Overlays,
  type OverlaysNote,
  overlayStale,
  type ToldOverlay,
  WeftError,
} from '@weft/core'
import { checkList } from '../base/arguments.js'
import { type OverlayKey, overlayNameOf, type OverlayVersion } from './overlay-table.js'

/** An overlay as a model is to be shown it. */
export interface ShownOverlay extends OverlayVersion {
  /** The version that what the step sees was last written under; undefined when it was under none. */
  readonly embedded: number | undefined
  /** What the step sees is of an older version, or of none: this one has to be told anew. */
  readonly renewed: boolean
}

/** The overlays that a step runs under: those in force when it began, and no others until it ends (OVL-2). */
export class StepOverlays {
  readonly note: OverlaysNote
  readonly #controller = new AbortController()

  constructor(
    readonly versions: readonly OverlayVersion[],
    private readonly onEnd: (ended: StepOverlays) => void,
  ) {
    this.note = Object.fromEntries(versions.map(({ name, version }) => [name, version]))
  }

  /** Aborts when the step may not be committed any more; its reason is WEFT_OVERLAY_STALE. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get(name: OverlayName): OverlayVersion | undefined {
    return this.versions.find(overlay => overlay.name === name)
  }

  /** What to tell a model that is shown what the step sees. */
  shown(seen: { embedded(inForce: OverlaysNote): OverlaysNote }): ShownOverlay[] {
    const embedded = seen.embedded(this.note)
    return this.versions.map(overlay => {
      const told = embedded[overlay.name]
      return { ...overlay, embedded: told, renewed: (told ?? 0) < overlay.version }
    })
  }

  /** Something was published meanwhile. */
  hold(inForce: Overlays): void {
    const older = inForce.older(this.note)
    if (older.length > 0) this.#controller.abort(overlayStale(older))
  }

  end(): void {
    this.onEnd(this)
  }
}

/**
 * The overlays that a window of a step tells: those that are asked for, or all; what is not in force is not told.
 * @throws WEFT_WINDOW_OPTIONS
 */
export function toldOverlays(
  running: StepOverlays | undefined,
  asked: readonly OverlayKey[] | undefined,
): ToldOverlay[] {
  if (asked !== undefined) checkList('what a window is to tell', asked, 'pass overlays as a list')
  if (running === undefined) {
    if (asked === undefined || asked.length === 0) return []
    throw new WeftError(
      'WEFT_WINDOW_OPTIONS',
      'the window is asked to tell overlays, and this replica does not follow them',
      'connect with `overlays: true`',
      { option: 'overlays' },
    )
  }
  const keys = asked ?? running.versions.map(({ name }) => name)
  return keys.flatMap(key => {
    const found = running.get(overlayNameOf(key))
    if (found === undefined) return []
    const { name, version, value } = found
    return [{ name, version, value, render: typeof key === 'string' ? undefined : key.render }]
  })
}
