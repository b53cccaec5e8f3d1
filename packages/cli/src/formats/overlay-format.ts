import type { OverlayVersion } from '@weft/replica'
import { clip, formatTime } from '../base/text.js'

const VALUE_CHARS_MAX = 80

/** A version as one line: what is in force, what it asks, who published it, when and why. */
export function formatOverlay({
  name,
  version,
  enforce,
  agent,
  time,
  reason,
  value,
}: OverlayVersion): string {
  const why = reason === undefined ? '' : `  (${clip(reason, VALUE_CHARS_MAX)})`
  return `${name}@${version}  ${enforce}  ${formatTime(time)}  ${agent}  ${clip(JSON.stringify(value), VALUE_CHARS_MAX)}${why}`
}
