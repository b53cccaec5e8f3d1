import { hash } from 'node:crypto'
import { type Hash, hashFromLatin1, type Transport } from '@weft/core'
import type { ReplicaHost } from '@weft/replica'
import type { SimProcess } from './process.js'

export const sha256: Hash = hashFromLatin1(bytes => hash('sha256', bytes, 'binary'))

/** What a replica in a simulated process takes from outside of its memory. */
export function hostOf({ clock, dice }: SimProcess, dial: () => Transport): ReplicaHost {
  return {
    hash: sha256,
    random: (target, at, length) => dice.fill(target, at, length),
    now: () => clock.now(),
    clock,
    idleClock: clock,
    dice: () => dice.unit(),
    dial,
  }
}
