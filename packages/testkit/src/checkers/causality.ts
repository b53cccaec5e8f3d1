import type { Change, ChangeId } from '@weft/core'
import { type Checker, entryOf, type Report, short } from '../checker.js'
import { type Place, placeKey, placeName } from '../observation.js'

/**
 * Nothing is anywhere before what it depends on: in a log (DUR-2), in a replica (CHG-3), in what a branch shows (ORD-1).
 * Clocks and actors are what they say (CHG-2).
 */
export function causality(): Checker {
  const changes = new Map<ChangeId, Change>()
  /** By context, what is durable; by context and process, what a replica holds. */
  const durable = new Map<string, Set<ChangeId>>()
  const held = new Map<string, Set<ChangeId>>()
  const byActor = new Map<string, ChangeId>()

  const checkClock = (place: Place, change: Change, report: Report): void => {
    if (changes.has(change.id)) return
    changes.set(change.id, change)
    const { actor, seq, lamport, deps } = change.header
    const first = entryOf(byActor, `${placeKey(place)} ${actor} ${seq}`, () => change.id)
    if (first !== change.id)
      report(
        'CHG-2',
        `${placeName(place)}: actor ${short(actor)} wrote two changes as its ${seq}th: ${short(first)}, ${short(change.id)}`,
      )
    const known = deps.map(dep => changes.get(dep)?.header.lamport)
    if (known.some(each => each === undefined)) return
    const expected = 1 + Math.max(0, ...(known as number[]))
    if (lamport !== expected)
      report('CHG-2', `${placeName(place)}: ${short(change.id)} says that its lamport is ${lamport}, not ${expected}`)
  }

  const checkDeps = (where: string, law: string, { id, header }: Change, known: Set<ChangeId>, report: Report) => {
    const missing = header.deps.filter(dep => !known.has(dep))
    if (missing.length > 0) report(law, `${where}: ${short(id)} came before its deps ${missing.map(short)}`)
    known.add(id)
  }

  return {
    name: 'causality',
    on: {
      durable: ({ change, position, ...place }, report) => {
        const known = entryOf(durable, placeKey(place), () => new Set())
        checkDeps(`the log of ${placeName(place)} at ${position}`, 'DUR-2', change, known, report)
        checkClock(place, change, report)
      },
      arrived: ({ process, change, ...place }, report) => {
        const known = entryOf(held, `${placeKey(place)} ${process}`, () => new Set())
        checkDeps(`${process} on ${placeName(place)}`, 'CHG-3', change, known, report)
        checkClock(place, change, report)
      },
      withdrawn: ({ process, ids, ...place }) => {
        const known = held.get(`${placeKey(place)} ${process}`)
        for (const id of ids) known?.delete(id)
      },
      branch: ({ process, branch, order, ...place }, report) => {
        const at = new Map(order.map((id, index) => [id, index]))
        for (const [index, id] of order.entries()) {
          const late = changes.get(id)?.header.deps.filter(dep => (at.get(dep) ?? -1) > index) ?? []
          if (late.length > 0)
            report('ORD-1', `${process} shows ${short(id)} on ${placeName(place)}/${branch} before ${late.map(short)}`)
        }
      },
    },
  }
}
