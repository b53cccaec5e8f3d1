/** Something that takes room in a window, and the lamport time at which it stands there. */
export interface Sized {
  readonly tokens: number
  readonly lamport: number
}

/** A window keeps at least this share of its room, where there is enough to fill it. */
const KEPT_SHARE_MIN = 1 / 2

/** So many units that are larger than the room by themselves are passed over; behind them nothing is looked for. */
const PASSED_OVER_MAX = 16

/**
 * Which units fit into the room, by dropping the oldest (WIN-1) in blocks, so that successive windows begin at the same
 * unit and share their beginning (WIN-5). A window that always took all that fits would begin elsewhere after each step.
 *
 * Where a window may begin are all units that leave it at least half full; it begins where the lamport time passes a
 * multiple of the highest power of two. Such a place stays the best one until it no longer fits, whatever is added
 * behind it; and it depends on nothing but the units on its two sides, so no memory is needed to find it again, and
 * what is before it may grow.
 * @param newestFirst is read only as far as there is room
 * @returns those that are kept, newest first
 */
export function keepNewest<Unit extends Sized>(newestFirst: Iterable<Unit>, room: number): Unit[] {
  const fits: Unit[] = []
  let sum = 0
  let beyond: Unit | undefined
  let passed = 0
  for (const unit of newestFirst) {
    if (unit.tokens > room && ++passed > PASSED_OVER_MAX) break
    if (unit.tokens > room) continue
    if (sum + unit.tokens > room) {
      beyond = unit
      break
    }
    fits.push(unit)
    sum += unit.tokens
  }
  return beyond === undefined ? fits : fits.slice(0, bestCut([...fits, beyond], sum, room))
}

/** How many to keep of units of which all but the last fit. */
function bestCut(units: readonly Sized[], sum: number, room: number): number {
  let best = units.length - 1
  let highest = -1
  let kept = sum
  for (let count = units.length - 1; count > 0; count--) {
    if (count < units.length - 1 && kept < room * KEPT_SHARE_MIN) break
    const level = crossed(units[count]!.lamport, units[count - 1]!.lamport)
    if (level > highest) {
      best = count
      highest = level
    }
    kept -= units[count - 1]!.tokens
  }
  return best
}

/** The power of the highest power of two of which a multiple lies between two times; -1 when they are one. */
function crossed(a: number, b: number): number {
  return 31 - Math.clz32(a ^ b)
}
