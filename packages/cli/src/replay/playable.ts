import { assertJson, LIMITS, reasonOf } from '@weft/core'
import { entriesOf } from './script.js'
import type { TraceMessage } from './trace-message.js'

/** Of the entries of one message, as JSON: the header of their change and its edit of the state have room beside them. */
const ENTRIES_BYTES_MAX = LIMITS.change_bytes_max - LIMITS.header_bytes_max - 2_048
/** As long as a tenant's mark, or longer. */
const MARK = '-'.repeat(64)
/** A tool's result is a value in its entry, so a message may be nested one level less than that. */
const MESSAGE_DEPTH = 1

/** Why no change can hold a message as it was recorded; undefined when one can. Found before anything is played. */
export function whyNotPlayable(message: TraceMessage, at: number): string | undefined {
  try {
    assertJson(message, '', MESSAGE_DEPTH)
  } catch (error) {
    return `cannot be an entry: ${reasonOf(error)}`
  }
  const values = entriesOf(message, at, MARK).map(({ value }) => value)
  if (values.length > LIMITS.entries_per_change_max)
    return `makes ${values.length} entries; at most ${LIMITS.entries_per_change_max} fit into a change`
  const bytes = Buffer.byteLength(JSON.stringify(values))
  if (bytes > ENTRIES_BYTES_MAX)
    return `makes entries of ${bytes} bytes; at most ${ENTRIES_BYTES_MAX} fit into a change`
  return undefined
}
