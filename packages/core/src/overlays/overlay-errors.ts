import { WeftError } from '../base/errors.js'
import type { OverlayName } from '../base/ids.js'

/** A version that a step ran under, and the least that it may be committed under. */
export interface OlderOverlay {
  readonly name: OverlayName
  /** 0: it ran when there was none. */
  readonly ran: number
  readonly required: number
}

export function overlayStale(older: readonly OlderOverlay[]): WeftError {
  const causes = older.map(({ name, ran, required }) =>
    ran === 0
      ? `${name}@${required} came when it had begun without one`
      : `it ran under ${name}@${ran}, and ${name}@${required} is enforced`,
  )
  return new WeftError(
    'WEFT_OVERLAY_STALE',
    `the step may not go on or be committed: ${causes.slice(0, 3).join('; ')}${causes.length > 3 ? ' …' : ''}`,
    'run the step again: it begins under the overlays that are in force',
    { overlays: older },
  )
}

export function overlayVersion(name: OverlayName, version: number, current: number): WeftError {
  return new WeftError(
    'WEFT_OVERLAY_VERSION',
    `${name}@${version} cannot be published: ${current === 0 ? 'there is none' : `${name}@${current} is in force`}`,
    'read what is in force, decide again, and publish the version after it',
    { name, version, current },
  )
}

export function overlayInvalid(reason: string): WeftError {
  return new WeftError(
    'WEFT_OVERLAY_INVALID',
    `not the publication of an overlay: ${reason}`,
    'publish with `replica.overlays.publish` or `weft overlay publish`',
  )
}
