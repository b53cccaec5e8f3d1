import { type Change, type ChangeId, entryId, type ManifestRef, pointersTouch, unpackIds } from '@weft/core'
import { type Checker, entryOf, short } from '../checker.js'
import { Pasts } from '../pasts.js'
import { endsBy, isTouchedByMove, movesBy, type Wrote } from './list-moves.js'

const STATE = 'state:'
const ENTRY = 'entry:'

/**
 * What a replica says is stale is what the headers alone make so: whatever was derived from something that a change
 * outside of its past has written (STL-2, STL-3), and whatever was derived from that (STL-4); and each was said when it
 * became so (STL-5). What summaries stand for is not judged: a branch that has any is passed over.
 */
export function staleness(): Checker {
  const changes = new Map<ChangeId, Change>()
  const pasts = new Map<string, Pasts>()

  return {
    name: 'staleness',
    on: {
      arrived: ({ change, at }) => {
        changes.set(change.id, change)
        entryOf(pasts, at.key, () => new Pasts()).add(change)
      },
      branch: ({ process, branch, order, stale, told, at }, report) => {
        const shown = order.map(id => changes.get(id)!)
        if (shown.some(({ header }) => header.notes.summary !== undefined)) return
        const expected = staleOf(
          shown,
          entryOf(pasts, at.key, () => new Pasts()),
        )
        const said = new Set(stale)
        const where = `${process} on ${at.key}/${branch}`
        const missed = [...expected].filter(unit => !said.has(unit))
        const invented = stale.filter(unit => !expected.has(unit))
        const untold = stale.filter(unit => !told.has(unit))
        if (missed.length > 0) report('STL-4', `${where} does not say that ${missed.map(short)} is stale`)
        if (invented.length > 0)
          report('STL-3', `${where} says that ${invented.map(short)} is stale, which is not`)
        if (untold.length > 0) report('STL-5', `${where} never told that ${untold.map(short)} became stale`)
      },
    },
  }
}

/** A unit is an entry, or a change without entries, by its id. */
function staleOf(shown: readonly Change[], pasts: Pasts): Set<string> {
  const stale = new Set<string>()
  const units = shown.flatMap(change => unitsOf(change))
  const writes = shown.flatMap(change => writesOf(change, shown))
  const moves = shown.flatMap(movesBy)
  const isBefore = (earlier: ChangeId, later: ChangeId): boolean => pasts.isBefore(earlier, later)
  for (const { unit, change, reads } of units) {
    if (reads.length === 0) continue
    const isTouched = writes.some(
      wrote =>
        wrote.by !== change.id &&
        !isBefore(wrote.by, change.id) &&
        reads.some(
          read =>
            touchesRead(wrote, read) ||
            (moves.length > 0 && isTouchedByMove(wrote, read.ref, change.id, moves, isBefore)),
        ),
    )
    if (isTouched) stale.add(unit)
  }
  for (let grew = true; grew; ) {
    grew = false
    for (const { unit, reads } of units) {
      if (
        stale.has(unit) ||
        !reads.some(({ ref }) => stale.has(ref.slice(ENTRY.length)) && ref.startsWith(ENTRY))
      )
        continue
      stale.add(unit)
      grew = true
    }
  }
  return stale
}

function unitsOf(change: Change): { unit: string; change: Change; reads: readonly ManifestRef[] }[] {
  const { kinds, reads } = change.header
  if (kinds.length === 0)
    return [{ unit: change.id, change, reads: reads.filter(({ entry }) => entry === undefined) }]
  return kinds.map((_, index) => ({
    unit: entryId(change.id, index),
    change,
    reads: reads.filter(({ entry }) => entry === undefined || entry === index),
  }))
}

/** Refs that a change writes, as they are spelled; who takes entries back writes them (STP-4). */
function writesOf({ id: by, header }: Change, shown: readonly Change[]): Wrote[] {
  const reverted = new Set(header.notes.reverts ? unpackIds(header.notes.reverts) : [])
  const entries = shown
    .filter(({ id }) => reverted.has(id))
    .flatMap(({ id, header: { kinds } }) => kinds.map((_, index) => ENTRY + entryId(id, index)))
  return [
    ...[...header.writes, ...entries].map(ref => ({ ref, isEnd: false, by })),
    ...endsBy({ header }).map(ref => ({ ref, isEnd: true, by })),
  ]
}

/** STL-2. A version names what was read, or what is there now; the same one is no news. */
function touchesRead({ ref: wrote, isEnd }: Wrote, { ref, version }: ManifestRef): boolean {
  if (wrote.startsWith(STATE)) {
    return (
      !isEnd && ref.startsWith(STATE) && pointersTouch(wrote.slice(STATE.length), ref.slice(STATE.length))
    )
  }
  const [name, now] = splitVersion(wrote)
  return name === ref && (now === undefined || version === undefined || now !== version)
}

function splitVersion(ref: string): [string, string | undefined] {
  const versioned = ref.startsWith(ENTRY) ? null : /^(.+)@([^@/]+)$/s.exec(ref)
  return versioned ? [versioned[1]!, versioned[2]!] : [ref, undefined]
}
