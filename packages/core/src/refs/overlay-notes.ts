import { isOverlayName, type OverlayName } from '../base/ids.js'
import { isPlainObject } from '../base/json.js'
import { LIMITS } from '../base/limits.js'

/**
 * What an overlay asks of steps under an older version (OVL-3): `commit` that they end and commit nothing, `step` that
 * none begins, `advisory` nothing.
 */
export type Enforcement = 'commit' | 'step' | 'advisory'

export const ENFORCEMENTS: readonly Enforcement[] = ['commit', 'step', 'advisory']

/** Puts a version of an overlay into force, in the change that says so; its value is the change's one entry. */
export interface PublishNote {
  readonly name: OverlayName
  /** One more than the one before, from 1. */
  readonly version: number
  readonly enforce: Enforcement
}

/** The overlays that a step ran under, all that were in force: who follows them and found none says so with none. */
export type OverlaysNote = Readonly<Record<OverlayName, number>>

/** Checks what a header says of overlays. @throws TypeError */
export function checkOverlayNotes(publishes: unknown, overlays: unknown): void {
  if (publishes !== undefined) {
    if (!isPlainObject(publishes) || !isOverlayName(publishes.name) || !isVersion(publishes.version))
      throw new TypeError('publishes is not an overlay and its version')
    if (!ENFORCEMENTS.includes(publishes.enforce as Enforcement))
      throw new TypeError('publishes does not say what is enforced')
  }
  if (overlays !== undefined) checkOverlayVersions(overlays)
}

/** @throws TypeError */
export function checkOverlayVersions(overlays: unknown): asserts overlays is OverlaysNote {
  if (!isPlainObject(overlays) || Object.keys(overlays).length > LIMITS.overlays_max)
    throw new TypeError('overlays is not a short map')
  for (const [name, version] of Object.entries(overlays)) {
    if (!isOverlayName(name) || !isVersion(version)) throw new TypeError('overlays does not name versions')
  }
}

function isVersion(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}
