import {
  Dag,
  decodeChange,
  EMPTY_LOG,
  erasedLog,
  extendRunningHash,
  type LogHead,
  type LogRecord,
  reasonOf,
} from '@weft/core'
import { sha256 } from '../logs/context-copy.js'

/** What is left of a context: its head if that is sound, and the sound records at their positions. */
export interface Remains {
  readonly head: LogHead | undefined
  readonly records: readonly LogRecord[]
}

/** The log of the same context as somebody else has it: a peer's positions, from the first on. */
export interface Offer {
  /** For people: a file, an address. */
  readonly name: string
  readonly records: readonly LogRecord[]
}

/** What a context can be made of. */
export interface RepairPlan {
  /** By position; without a gap when it is whole. */
  readonly records: readonly LogRecord[]
  /** Sound records that are in it, where they were. */
  readonly kept: number
  /** Positions that an offer has filled. */
  readonly filled: readonly number[]
  readonly missing: readonly number[]
  /** Why it cannot be served; undefined when it is whole: gapless, a causal order, and as sealed if that is known. */
  readonly wanting: string | undefined
  /** Offers that hold another history: what they have from that position on was not used. */
  readonly disagreeing: readonly { readonly name: string; readonly position: number }[]
}

/**
 * Fills what is missing with what others hold at the same positions, as far as the head goes if it is sound. Never
 * invents: each sound record stays where it is, unless the head seals a log that an offer has whole, and that differs.
 */
export function planRepair({ head, records }: Remains, offered: readonly Offer[]): RepairPlan {
  const offers = head ? offered.map(offer => upTo(offer, head.count)) : offered
  const proven = head && offers.find(offer => isSealed(offer.records, head))
  if (proven)
    return planOf(records, new Map(proven.records.map(record => [record.position, record])), head, [])
  const merged = new Map(records.map(record => [record.position, record]))
  const disagreeing: { name: string; position: number }[] = []
  for (const offer of offers) {
    const differs = offer.records.find(({ position, id }) => (merged.get(position)?.id ?? id) !== id)
    if (differs) disagreeing.push({ name: offer.name, position: differs.position })
    for (const record of offer.records) {
      if (differs && record.position >= differs.position) break
      if (!merged.has(record.position)) merged.set(record.position, record)
    }
  }
  return planOf(records, merged, head, disagreeing)
}

/** As much of a plan as can be served without what is missing: up to the first gap, or to what causality does not allow. */
export function soundBeginning({ records }: RepairPlan): LogRecord[] {
  const dag = new Dag()
  const beginning: LogRecord[] = []
  for (const record of records) {
    if (record.position !== beginning.length + 1 || addTo(dag, record) !== undefined) break
    beginning.push(record)
  }
  return beginning
}

function upTo({ name, records }: Offer, count: number): Offer {
  return { name, records: records.filter(({ position }) => position <= count) }
}

function planOf(
  sound: readonly LogRecord[],
  result: ReadonlyMap<number, LogRecord>,
  head: LogHead | undefined,
  disagreeing: RepairPlan['disagreeing'],
): RepairPlan {
  const before = new Map(sound.map(({ position, id }) => [position, id]))
  const positions = [...result.keys()].sort((a, b) => a - b)
  const records = positions.map(position => result.get(position)!)
  const count = Math.max(head?.count ?? 0, positions.at(-1) ?? 0)
  const missing = Array.from({ length: count }, (_, index) => index + 1).filter(each => !result.has(each))
  return {
    records: withoutErased(records),
    kept: positions.filter(position => before.get(position) === result.get(position)!.id).length,
    filled: positions.filter(position => before.get(position) !== result.get(position)!.id),
    missing,
    wanting: wantingOf(records, missing, head),
    disagreeing,
  }
}

function wantingOf(
  records: readonly LogRecord[],
  missing: readonly number[],
  head: LogHead | undefined,
): string | undefined {
  if (missing.length > 0) return `${missing.length} of its changes are missing`
  if (records.length === 0) return 'nothing of it can be read'
  const dag = new Dag()
  for (const record of records) {
    const reason = addTo(dag, record)
    if (reason !== undefined)
      return `position ${record.position} does not follow from what is before it: ${reason}`
  }
  const { bare } = erasedLog(records, sha256)
  if (bare[0]) return `position ${bare[0].position} has lost its content, and nothing in it erases that`
  if (head && !isSealed(records, head)) return 'its changes are not those that were sealed'
  return undefined
}

/** A copy that is older than an erasure brings nothing back (ERA-1). What cannot be read is as it is. */
function withoutErased(records: readonly LogRecord[]): readonly LogRecord[] {
  try {
    return erasedLog(records, sha256).records
  } catch {
    return records
  }
}

function isSealed(records: readonly LogRecord[], { count, runningHash }: LogHead): boolean {
  const isGapless = records.length === count && records.every(({ position }, index) => position === index + 1)
  const ids = records.map(({ id }) => id)
  return isGapless && extendRunningHash(sha256, EMPTY_LOG, ids) === runningHash
}

/** @returns why it cannot be added */
function addTo(dag: Dag, { bytes, id }: LogRecord): string | undefined {
  try {
    const change = decodeChange(bytes, sha256)
    if (change.id !== id) return 'its bytes are not those of its id'
    dag.add(change)
    return undefined
  } catch (thrown) {
    return reasonOf(thrown)
  }
}
