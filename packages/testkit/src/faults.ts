import type { Dice } from './dice.js'

/** What can go wrong in a world. */
export const FAULTS = [
  'crash-worker',
  'crash-peer',
  'power-cut',
  'partition',
  'half-partition',
  'clog',
  'swizzle',
  'mangle',
  'cut',
  'freeze-worker',
  'freeze-peer',
  'set-clock',
  'eio',
  'enospc',
  'stall',
  'flip',
  'torn',
  'skew',
  'expiry',
] as const

/**
 * The peer is set up anew from an older backup, and has lost what it had acknowledged since. Not among the others: no lease,
 * session or barrier can hold through that. Workers that live on give back what they hold (DUR-5).
 */
export const ROLLBACK = 'rollback'

export type FaultKind = (typeof FAULTS)[number] | typeof ROLLBACK

/** One of them, planned: what it does is rolled from its number alone, so that leaving one out changes no other. */
export interface Fault {
  readonly index: number
  readonly kind: FaultKind
  readonly at_ms: number
}

/** About so far are two faults apart. */
export const FAULT_EVERY_MS = 60

/** Nothing that happens at some moment, but how clocks and tokens are from the beginning. */
const FROM_THE_BEGINNING: readonly FaultKind[] = ['skew', 'expiry']

/** The faults of a world, one after the other, without end. */
export function* planFaults(
  dice: Dice,
  kinds: readonly FaultKind[],
  every_ms: number,
): Generator<Fault, undefined> {
  const planned = kinds.filter(kind => !FROM_THE_BEGINNING.includes(kind))
  if (planned.length === 0) return undefined
  let at_ms = 0
  for (let index = 0; ; index++) {
    at_ms += dice.between(0.1, 1.9) * every_ms
    yield { index, kind: dice.pick(planned), at_ms }
  }
}
