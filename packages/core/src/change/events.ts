import {
  type AgentId,
  type BranchName,
  type ChangeId,
  type EntryId,
  entryId,
  type Position,
} from '../base/ids.js'
import type { Json } from '../base/json.js'
import { unpackIds } from '../base/packed-ids.js'
import type { Filter } from '../refs/filter.js'
import { placesIn } from '../refs/ref.js'
import type { Change } from './change.js'
import { matchesFilter } from './filter-match.js'

/** What happened at a position of a context's committed log: one change, as whoever waits for it reads it. */
export interface ContextEvent {
  readonly position: Position
  readonly change: ChangeId
  readonly branch: BranchName
  readonly agent: AgentId
  /** The author's wall clock, ms since 1970 UTC. */
  readonly time: number
  readonly kinds: readonly string[]
  readonly entries: readonly EventEntry[]
  /** State pointers that it wrote, and all that it wrote as refs: with the marks of items that it moved in lists. */
  readonly pointers: readonly string[]
  readonly writes: readonly string[]
  readonly forks: readonly BranchName[]
  readonly merges: readonly BranchName[]
  readonly abandons: readonly BranchName[]
  /** The changes whose content it erases (ERA-1): whoever keeps a copy of that elsewhere has to erase it there. */
  readonly erases: readonly ChangeId[]
  readonly step: string | undefined
  readonly reason: string | undefined
}

export interface EventEntry {
  readonly id: EntryId
  readonly kind: string
  readonly value: Json
  /** The content was erased (ERA-1), and `value` is null. */
  readonly erased?: true
}

/** A committed log, as far as it is known: gapless up to `position`. */
export interface LogReader {
  readonly position: Position
  changeAt(position: Position): Change
}

/** A contiguous piece of a log, and what happened in it. */
export interface EventRange {
  readonly from: Position
  readonly to: Position
  readonly events: readonly ContextEvent[]
}

export interface RangeBounds {
  readonly events_max: number
  /** Of changes as they are stored; the first event is taken whatever its size. */
  readonly bytes_max: number
}

/** @throws WEFT_CHANGE_MALFORMED */
export function contextEvent(position: Position, change: Change): ContextEvent {
  const { id, header } = change
  const { branch, agent, time, kinds, writes, notes } = header
  const isErasing = notes.erases !== undefined
  const values = isErasing ? [] : change.values()
  return {
    position,
    change: id,
    branch,
    agent,
    time,
    kinds,
    // What stands in for erased state is for replicas alone.
    entries: (isErasing ? [] : kinds).map((kind, index) => {
      const named = { id: entryId(id, index), kind }
      return change.lacksEntries
        ? { ...named, value: null, erased: true }
        : { ...named, value: values[index]! }
    }),
    pointers: placesIn(writes),
    writes,
    forks: notes.forks ?? [],
    merges: Object.keys(notes.merges ?? {}).filter(name => name !== branch),
    abandons: notes.abandons ?? [],
    erases: isErasing ? unpackIds(notes.erases!) : [],
    step: notes.step,
    reason: notes.reason,
  }
}

/**
 * The next piece of a log after a position that has something in it, up to the first event that is too much or else as
 * far as the log is known; undefined when nothing of it matches.
 */
export function nextRange(
  log: LogReader,
  after: Position,
  filter: Filter,
  { events_max, bytes_max }: RangeBounds,
): EventRange | undefined {
  const events: ContextEvent[] = []
  let to = after
  for (let bytes = 0; to < log.position; to++) {
    const change = log.changeAt(to + 1)
    if (!matchesFilter(filter, change.header)) continue
    bytes += change.bytes.length
    if (events.length > 0 && (events.length >= events_max || bytes > bytes_max)) break
    events.push(contextEvent(to + 1, change))
  }
  return events.length === 0 ? undefined : { from: after + 1, to, events }
}
