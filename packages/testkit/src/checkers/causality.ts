import type { Change, ChangeId } from '@weft/core'
import { type Checker, entryOf, forget, type Report, short } from '../checker.js'
import type { Place } from '../observation.js'

/**
 * Nothing is anywhere before what it depends on: in a log (DUR-2), in a replica (CHG-3), in what a branch shows (ORD-1).
 * Clocks and actors are what they say (CHG-2).
 */
export function causality(): Checker {
  const clocks = new Map<ChangeId, { readonly lamport: number; readonly deps: readonly ChangeId[] }>()
  /** By context, what is durable; by context and process, what a replica holds. */
  const durable = new Map<string, Set<ChangeId>>()
  const held = new Map<string, Set<ChangeId>>()
  const byActor = new Map<string, ChangeId>()

  const checkClock = (at: Place, change: Change, report: Report): void => {
    if (clocks.has(change.id)) return
    const { actor, seq, lamport, deps } = change.header
    clocks.set(change.id, { lamport, deps })
    const first = entryOf(byActor, `${at.key} ${actor} ${seq}`, () => change.id)
    if (first !== change.id)
      report(
        'CHG-2',
        `${at.key}: actor ${short(actor)} wrote two changes as its ${seq}th: ${short(first)}, ${short(change.id)}`,
      )
    const known = deps.map(dep => clocks.get(dep)?.lamport)
    if (known.some(each => each === undefined)) return
    const expected = 1 + Math.max(0, ...(known as number[]))
    if (lamport !== expected)
      report('CHG-2', `${at.key}: ${short(change.id)} says that its lamport is ${lamport}, not ${expected}`)
  }

  const checkDeps = (
    where: string,
    law: string,
    { id, header }: Change,
    known: Set<ChangeId>,
    report: Report,
  ) => {
    const missing = header.deps.filter(dep => !known.has(dep))
    if (missing.length > 0) report(law, `${where}: ${short(id)} came before its deps ${missing.map(short)}`)
    known.add(id)
  }

  return {
    name: 'causality',
    on: {
      durable: ({ change, position, at }, report) => {
        const known = entryOf(durable, at.key, () => new Set())
        checkDeps(`the log of ${at.key} at ${position}`, 'DUR-2', change, known, report)
        checkClock(at, change, report)
      },
      arrived: ({ process, change, at }, report) => {
        const known = entryOf(held, `${at.key} ${process}`, () => new Set())
        checkDeps(`${process} on ${at.key}`, 'CHG-3', change, known, report)
        checkClock(at, change, report)
      },
      removed: ({ tenant }) => forget(durable, tenant),
      withdrawn: ({ process, ids, at }) => {
        const known = held.get(`${at.key} ${process}`)
        for (const id of ids) known?.delete(id)
      },
      branch: ({ process, branch, order, at }, report) => {
        const index = new Map(order.map((id, place) => [id, place]))
        for (const [place, id] of order.entries()) {
          const late = clocks.get(id)?.deps.filter(dep => (index.get(dep) ?? -1) > place) ?? []
          if (late.length > 0)
            report('ORD-1', `${process} shows ${short(id)} on ${at.key}/${branch} before ${late.map(short)}`)
        }
      },
    },
  }
}
