import { type Json, reasonOf } from '@weft/core'
import { usage } from './failure.js'

/** What a flag holds, as JSON. @throws WEFT_USAGE */
export function jsonFlag(flag: string, text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    throw usage(`${flag} is not JSON: ${reasonOf(error)}`, `quote it for the shell: ${flag} '{"draft": "…"}'`)
  }
}
