import {
  ChangeSet,
  CommitIndex,
  Dag,
  decodeChange,
  EMPTY_LOG,
  extendRunningHash,
  type KeptRecord,
  type LogHead,
  type LogRecord,
  type TenantStore,
  toKept,
  WeftError,
  wholeLog,
} from '@weft/core'
import { type ContextCopy, sha256 } from './context-copy.js'

const RECORDS_PER_APPEND = 1_000

/** A log as a context to look at. @throws WEFT_CHANGE_* when it is not a causal order */
export function copyOfLog(workflow: string, records: Iterable<LogRecord>): ContextCopy {
  const set = new ChangeSet(sha256)
  const index = new CommitIndex()
  for (const { position, id, bytes } of records) {
    set.add(decodeChange(bytes, sha256), true)
    index.record(position, id)
  }
  return { workflow, set, index }
}

/** A log in a store, whole. @throws as `wholeLog` */
export async function readLog(store: TenantStore, workflow: string): Promise<KeptRecord[]> {
  const records: KeptRecord[] = []
  for await (const page of wholeLog(store, workflow, sha256)) records.push(...page.map(toKept))
  return records
}

/** The changes of a context in the order of its log, up to a position. */
export function logOf({ set, index }: ContextCopy, upTo = index.position): LogRecord[] {
  const records: LogRecord[] = []
  for (let position = 1; position <= upTo; position++) {
    const id = index.idAt(position)
    if (id === undefined) break
    records.push({ position, id, bytes: set.change(set.dag.node(id)).bytes })
  }
  return records
}

/** What a store would seal of a log. */
export function headOf(workflow: string, records: readonly LogRecord[]): LogHead {
  const dag = new Dag()
  for (const { bytes } of records) dag.add(decodeChange(bytes, sha256))
  const ids = records.map(({ id }) => id)
  return {
    workflow,
    count: records.length,
    heads: [...dag.heads].map(node => dag.id(node)).sort(),
    runningHash: extendRunningHash(sha256, EMPTY_LOG, ids),
  }
}

/** @throws WEFT_STORE_CORRUPT when a log is not the one that was sealed */
export function checkSealed(records: readonly LogRecord[], sealed: LogHead): void {
  const { count, heads, runningHash } = headOf(sealed.workflow, records)
  const isSame = count === sealed.count && runningHash === sealed.runningHash
  if (isSame && heads.join() === [...sealed.heads].sort().join()) return
  throw new WeftError(
    'WEFT_STORE_CORRUPT',
    `what was read of ${sealed.workflow} is not what was sealed: ${count} of ${sealed.count} changes`,
    'if it was removed meanwhile, run again; else run `weft verify` on it',
    { workflow: sealed.workflow },
  )
}

/**
 * Appends to a log in a store what comes behind its end.
 * @param from how many of `records`, which begin with the first, are there already
 * @throws as `TenantStore.append`
 */
export async function appendLog(
  store: TenantStore,
  workflow: string,
  records: readonly LogRecord[],
  from = 0,
): Promise<void> {
  const dag = new Dag()
  let pending: LogRecord[] = []
  for (const record of records) {
    dag.add(decodeChange(record.bytes, sha256))
    if (record.position > from) pending.push(record)
    const isDue = pending.length === RECORDS_PER_APPEND || record === records.at(-1)
    if (!isDue || pending.length === 0) continue
    const heads = [...dag.heads].map(node => dag.id(node))
    await store.append({ records: pending, head: { workflow, count: record.position, heads } })
    pending = []
  }
}
