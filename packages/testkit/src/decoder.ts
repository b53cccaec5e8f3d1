import { type Change, decodeChange } from '@weft/core'
import { sha256 } from './host.js'

/** Changes by their exact bytes: the same ones pass by many times, and are hashed once. */
export class Decoder {
  readonly #known = new Map<string, Change>()

  /** @throws WEFT_CHANGE_MALFORMED */
  decode(bytes: Uint8Array): Change {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
    let change = this.#known.get(key)
    if (change === undefined) {
      change = decodeChange(bytes.slice(), sha256)
      this.#known.set(key, change)
    }
    return change
  }
}
