import { BranchWriter, ChangeSet } from '@weft/core'
import { encodeMessage, FRAME_BYTES_SOUGHT } from '@weft/protocol'
import { Dice, message } from '../dice.js'
import { host } from '../host.js'

const SEED = 20_250_711
const ITEM_BYTES = 5

/** A push frame on channel 1, and what of it counts against the window. */
export interface Offered {
  readonly frame: Uint8Array
  readonly changes: number
  readonly bytes: number
}

/** What one worker wrote while it was offline, until it is so many bytes: no change names its context, so it fits any. */
export function offlineWork(bytes_max: number): Uint8Array[] {
  const set = new ChangeSet(host.hash)
  const writer = new BranchWriter(set, host, 'main', 'worker')
  const dice = new Dice(SEED)
  const changes: Uint8Array[] = []
  for (let bytes = 0; bytes < bytes_max; bytes += changes.at(-1)!.length) {
    changes.push(writer.write({ entries: [{ kind: 'message', value: message(dice) }] })!.bytes)
  }
  return changes
}

/** In frames of at most so many changes, and as large as a replica makes them. */
export function inFrames(changes: readonly Uint8Array[], changes_max: number): Offered[] {
  const offers: Offered[] = []
  for (let at = 0; at < changes.length; ) {
    const from = at
    let bytes = 0
    let room = FRAME_BYTES_SOUGHT
    while (at < changes.length && at - from < changes_max && room >= changes[at]!.length + ITEM_BYTES) {
      room -= changes[at]!.length + ITEM_BYTES
      bytes += changes[at++]!.length
    }
    const frame = encodeMessage({ name: 'push', channel: 1, changes: changes.slice(from, at) })
    offers.push({ frame, changes: at - from, bytes })
  }
  return offers
}
