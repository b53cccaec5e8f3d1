import { reasonOf, WeftError } from '../base/errors.js'
import type { OverlayName } from '../base/ids.js'
import type { Json } from '../base/json.js'
import type { OverlaysNote } from '../refs/overlay-notes.js'
import { type Message, textPart } from '../messages/window-message.js'
import { noteOf } from '../messages/window-shapes.js'
import type { OverlayRenderer } from '../definitions/overlay-schema.js'
import { overlayRef } from '../overlays/overlays.js'

/** A version of an overlay, for a window to tell. */
export interface ToldOverlay {
  readonly name: OverlayName
  readonly version: number
  readonly value: Json
  /** Default: a text or a `{ text }` as it is, anything else as JSON, each behind its name and version. */
  readonly render?: OverlayRenderer | undefined
}

/** Which versions a window tells; undefined when it tells none. */
export function versionsOf(told: readonly ToldOverlay[]): OverlaysNote | undefined {
  if (told.length === 0) return undefined
  return Object.fromEntries(sortedByName(told).map(({ name, version }) => [name, version]))
}

/**
 * What overlays say, as the system's: by name, so that it does not depend on when each was first published.
 * @throws WEFT_OVERLAY_UNKNOWN when one of these versions is not given · WEFT_RENDER_FAILED
 */
export function messagesOfOverlays(versions: OverlaysNote, given: readonly ToldOverlay[]): Message[] {
  const told = Object.entries(versions).map(([name, version]) => {
    const found = given.find(overlay => overlay.name === name && overlay.version === version)
    if (found) return found
    throw lacking(name, version)
  })
  return sortedByName(told).flatMap(overlay => {
    const text = textOf(overlay)
    return text.trim() === '' ? [] : [{ role: 'system' as const, parts: [textPart(text)] }]
  })
}

function textOf({ name, version, value, render }: ToldOverlay): string {
  if (render === undefined) return `[${name}@${version}] ${noteOf(value)}`
  try {
    const text = render(value as never) ?? ''
    if (typeof text !== 'string') throw new TypeError(`it returns ${typeof text}`)
    return text
  } catch (thrown) {
    throw new WeftError(
      'WEFT_RENDER_FAILED',
      `the renderer of overlay ${name} fails on version ${version}: ${reasonOf(thrown)}`,
      'let it return a text for every value that was ever published under the name',
      { overlay: name, version },
      { cause: thrown },
    )
  }
}

function sortedByName(overlays: readonly ToldOverlay[]): ToldOverlay[] {
  return [...overlays].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function lacking(name: OverlayName, version: number): WeftError {
  return new WeftError(
    'WEFT_OVERLAY_UNKNOWN',
    `the window tells ${overlayRef(name, version)}, which is not known here`,
    "pass the tenant's overlays too: they are a context of their own, @overlays",
    { overlay: name, version },
  )
}
