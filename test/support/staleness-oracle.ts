import { type Change, parseRef, touches, unpackIds, type VersionedRef } from '@weft/core'
import { isTouchedByMove, movesBy } from '@weft/testkit'
import { Oracle } from './core-oracle.ts'
import { pick, seededDice, shuffled } from './core-property.ts'

interface Unit {
  readonly change: Change
  readonly name: string
  readonly reads: readonly VersionedRef[]
}

/** The law as it is written, over all pairs, again and again until nothing more follows. */
export function bruteForce(changes: readonly Change[]): Map<string, { direct: string[]; stale: boolean }> {
  const oracle = new Oracle(changes)
  const units = changes.flatMap(unitsOf)
  const written = changes.map(writer => ({ writer, refs: writtenBy(writer, changes) }))
  const moves = changes.flatMap(movesBy)
  const isBefore = (earlier: string, later: string): boolean => oracle.isAncestor(earlier, later)
  const touching = (ref: string, isEnd: boolean, writer: Change, reader: Change, read: VersionedRef) =>
    (!isEnd && touches(versioned(ref), read)) ||
    isTouchedByMove({ ref, isEnd, by: writer.id }, read.ref, reader.id, moves, isBefore)
  const result = new Map<string, { direct: string[]; stale: boolean }>()
  for (const { change, name, reads } of units) {
    const direct = written.flatMap(({ writer, refs }) =>
      writer.id === change.id || oracle.isAncestor(writer.id, change.id)
        ? []
        : refs.flatMap(({ ref, isEnd }) =>
            reads
              .filter(read => touching(ref, isEnd, writer, change, read))
              .map(
                () => `${oracle.isAncestor(change.id, writer.id) ? 'superseded' : 'stale-read'} ${writer.id}`,
              ),
          ),
    )
    result.set(name, { direct: direct.sort(), stale: direct.length > 0 })
  }
  for (let grown = true; grown; ) {
    grown = false
    for (const { name, reads } of units) {
      const inherits = reads.some(({ ref }) => ref.startsWith('entry:') && result.get(ref.slice(6))?.stale)
      if (!inherits || result.get(name)!.stale) continue
      result.get(name)!.stale = true
      grown = true
    }
  }
  return result
}

/** A ref with its version; the pointers of state have none. */
function versioned(ref: string): VersionedRef {
  return ref.startsWith('state:') ? { ref } : parseRef(ref)
}

/** What a change says that it writes, the entries of what it reverts, and where the ends of lists were that it altered. */
function writtenBy({ header }: Change, changes: readonly Change[]): { ref: string; isEnd: boolean }[] {
  const reverted = unpackIds(header.notes.reverts ?? new Uint8Array(0)).flatMap(
    id => changes.find(change => change.id === id)!,
  )
  const entries = reverted.flatMap(({ id, header: { kinds } }) =>
    kinds.map((_, index) => `entry:${id}.${index}`),
  )
  const ends = (header.notes.ends ?? []).map(end => ({ ref: `state:${end}`, isEnd: true }))
  return [...[...header.writes, ...entries].map(ref => ({ ref, isEnd: false })), ...ends]
}

function unitsOf(change: Change): Unit[] {
  const { kinds, reads } = change.header
  if (kinds.length === 0) return [{ change, name: change.id, reads }]
  return kinds.map((_, index) => ({
    change,
    name: `${change.id}.${index}`,
    reads: reads.filter(read => read.entry === undefined || read.entry === index),
  }))
}

/** What a blast radius must hold: what reads a ref, and what reads that, and so on. */
export function derivedFrom(changes: readonly Change[], text: string): Set<string> {
  const named = parseRef(text)
  const units = changes.flatMap(unitsOf)
  const hit = new Set<string>()
  for (let size = -1; size !== hit.size; ) {
    size = hit.size
    for (const { name, reads } of units) {
      const direct = reads.some(
        read =>
          touches({ ref: named.ref }, read) &&
          (named.version === undefined || named.version === read.version),
      )
      const inherited = reads.some(({ ref }) => ref.startsWith('entry:') && hit.has(ref.slice(6)))
      if (direct || inherited) hit.add(name)
    }
  }
  return new Set([...hit].filter(name => name.includes('.')))
}

/** The same changes in another order in which they may arrive. */
export function causally(changes: readonly Change[], seed: number): Change[] {
  const dice = seededDice(seed)
  const placed = new Set<string>()
  const order: Change[] = []
  let rest = shuffled(changes, dice)
  while (rest.length > 0) {
    const ready = rest.filter(change => change.header.deps.every(dep => placed.has(dep)))
    const next = pick(ready, dice(1_000))
    order.push(next)
    placed.add(next.id)
    rest = rest.filter(change => change !== next)
  }
  return order
}
