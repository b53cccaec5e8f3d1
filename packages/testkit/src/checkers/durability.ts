import type { Change, ChangeId, LogHead, Position } from '@weft/core'
import { type Checker, entryOf, forget, short } from '../checker.js'
import type { Place } from '../observation.js'

interface Log {
  /** What is durable, by position from 1. */
  readonly ids: (ChangeId | undefined)[]
  readonly changes: Map<ChangeId, Change>
  readonly acked: Map<ChangeId, Position>
  /** Acknowledged, and lost with all that came after a backup. */
  readonly owed: Set<ChangeId>
  /** All that was lost so, by where it was. */
  readonly lost: Map<Position, ChangeId>
}

/** What a tenant had that was dropped, and who has connected since, and is told of it no more. */
interface Former {
  readonly logs: ReadonlyMap<string, Log>
  readonly since: Set<string>
}

/**
 * What was acknowledged is durable at that moment, where it was said to be, and for good: every acknowledged change is
 * accounted for in the end (DUR-1); a position never holds two changes, and none is left out (DUR-2). What is read off the
 * disk is what was written there (DUR-4), and what was lost with the disk is given back by those who hold it (DUR-5). What
 * was removed with its tenant is no loss; who asked for that is another's business.
 */
export function durability(): Checker {
  const logs = new Map<string, Log>()
  /** By tenant, one a drop, and one more for each time that one was cut short. */
  const formers = new Map<string, Former[]>()
  /** By tenant, who has connected since something was lost, and is not told any more of what was there. */
  const sinceLoss = new Map<string, Set<string>>()
  const formersOf = (tenant: string): Former[] => entryOf(formers, tenant, () => [])
  const logOf = (at: Place): Log =>
    entryOf(logs, at.key, () => ({
      ids: [],
      changes: new Map(),
      acked: new Map(),
      owed: new Set(),
      lost: new Map(),
    }))
  return {
    name: 'durability',
    on: {
      durable: ({ position, change, at }, report) => {
        const { id } = change
        const { ids, changes } = logOf(at)
        const before = ids[position]
        if (before !== undefined && before !== id)
          report('DUR-2', `${at.key}: position ${position} held ${short(before)} and now holds ${short(id)}`)
        ids[position] = id
        changes.set(id, change)
      },
      acked: ({ process, id, position, at }, report) => {
        const { ids, acked, owed, lost } = logOf(at)
        // An ack that was under way when its change was lost.
        if (ids[position] !== id && lost.get(position) === id && !sinceLoss.get(at.tenant)?.has(process)) {
          owed.add(id)
          return
        }
        // An ack that was under way when its tenant was dropped.
        const wasThere = formersOf(at.tenant).some(
          ({ logs, since }) => logs.get(at.key)?.ids[position] === id && !since.has(process),
        )
        if (ids[position] !== id && wasThere) return
        if (ids[position] !== id)
          report(
            'DUR-1',
            `${at.key}: ${process} was told that ${short(id)} is committed at ${position}, where a power cut ` +
              `would leave ${ids[position] === undefined ? 'nothing' : short(ids[position])}`,
          )
        const before = acked.get(id)
        if (before !== undefined && before !== position)
          report('DUR-2', `${at.key}: ${short(id)} was acknowledged at ${before} and at ${position}`)
        acked.set(id, position)
      },
      stored: ({ head, records, at }, report) => {
        const wrong = [...differences(logOf(at), head, records)]
        // The copy that was read may have been made before.
        for (const { logs } of formersOf(at.tenant)) {
          const before = logs.get(at.key)
          if (before !== undefined && [...differences(before, head, records)].length === 0) return
        }
        for (const each of wrong) report('DUR-4', `${at.key}: ${each}`)
      },
      removed: ({ tenant }) => {
        const gone = [...logs].filter(
          ([key, { changes }]) => key.startsWith(`${tenant}:`) && changes.size > 0,
        )
        formersOf(tenant).push({ logs: new Map(gone), since: new Set() })
        forget(logs, tenant)
      },
      connecting: ({ tenant, process }) => {
        for (const { since } of formersOf(tenant)) since.add(process)
        sinceLoss.get(tenant)?.add(process)
      },
      lost: ({ position, at }) => {
        const { ids, acked, owed, lost } = logOf(at)
        const id = ids[position]
        ids[position] = undefined
        if (id === undefined) return
        if (acked.delete(id)) owed.add(id)
        lost.set(position, id)
        sinceLoss.set(at.tenant, new Set())
      },
      log: ({ ids, at }, report) => {
        const there = new Set(ids)
        for (const id of logOf(at).owed)
          if (!there.has(id))
            report('DUR-5', `${at.key}: the peer had lost ${short(id)}, and no worker has given it back`)
        for (const [id, position] of logOf(at).acked) {
          if (ids[position - 1] !== id)
            report('DUR-1', `${at.key}: ${short(id)} was acknowledged at ${position} and is lost`)
        }
        if (there.size !== ids.length) report('DUR-2', `${at.key}: a change is twice in the log`)
      },
    },
  }
}

/** What a store answered otherwise than was written to it. */
function* differences(
  { ids, changes }: Log,
  { count, heads }: LogHead,
  records: readonly { readonly id: ChangeId; readonly bytes: Uint8Array }[],
): Generator<string> {
  const open = new Set<ChangeId | undefined>()
  for (const id of ids.slice(1, count + 1)) {
    for (const dep of changes.get(id!)?.header.deps ?? []) open.delete(dep)
    open.add(id)
  }
  if ([...open].sort().join() !== [...heads].sort().join())
    yield `the head record that ends at ${count} names ${heads.map(short)}, and the heads were ${[...open].map(id => short(id ?? 'nothing'))}`
  for (const [index, { id, bytes }] of records.entries()) {
    const written = changes.get(ids[index + 1]!)
    if (written?.id === id && Buffer.compare(written.bytes, bytes) === 0) continue
    yield `the record at ${index + 1} is not what was written there: ${short(id)}`
  }
}
