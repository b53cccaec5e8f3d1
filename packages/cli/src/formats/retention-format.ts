import type { RetentionRule } from '@weft/core'
import { formatSeconds } from '../base/duration.js'

/** A rule in words. */
export function formatRule({ keep_ms }: RetentionRule): string {
  return keep_ms === null ? 'kept for ever' : `kept ${formatSeconds(keep_ms / 1_000)} after completion`
}
