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
  'drop',
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

/** A tenant that is dropped stays away until tokens of another second are given out: that is much of a world's time. */
const DROP_EVERY_MS = 1_500
/** Drops are numbered from here on. */
const DROPS_FROM = 100_000

/** How clocks and tokens are from the beginning, which happens at no moment; and what is planned apart. */
const NOT_AMONG_OTHERS: readonly FaultKind[] = ['skew', 'expiry', 'drop']

/** The faults of a world, one after the other, without end. */
export function* planFaults(
  dice: Dice,
  kinds: readonly FaultKind[],
  every_ms: number,
): Generator<Fault, undefined> {
  const planned = kinds.filter(kind => !NOT_AMONG_OTHERS.includes(kind))
  if (planned.length === 0) return undefined
  let at_ms = 0
  for (let index = 0; ; index++) {
    at_ms += dice.between(0.1, 1.9) * every_ms
    yield { index, kind: dice.pick(planned), at_ms }
  }
}

/** When tenants are dropped, without end: apart from the faults, which come as they would without. */
export function* planDrops(dice: Dice): Generator<Fault, undefined> {
  let at_ms = 0
  for (let index = DROPS_FROM; ; index++) {
    at_ms += dice.between(0.1, 1.9) * DROP_EVERY_MS
    yield { index, kind: 'drop', at_ms }
  }
}
