import { isEngineOverlay, type OverlayName } from '../base/ids.js'
import type { OverlayDefinition } from '../definitions/overlay-schema.js'
import { RETENTION_OVERLAY } from './retention.js'
import { REVOCATIONS_OVERLAY } from './revocations.js'

const DEFINITIONS: readonly OverlayDefinition[] = [RETENTION_OVERLAY, REVOCATIONS_OVERLAY]

/** The definition of an overlay of the engine's own, whoever publishes it by its name; undefined for all others. */
export function engineOverlay(name: OverlayName): OverlayDefinition | undefined {
  return isEngineOverlay(name) ? DEFINITIONS.find(definition => definition.name === name) : undefined
}
