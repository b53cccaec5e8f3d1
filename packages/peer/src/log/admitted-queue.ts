import type { Change, ChangeId, LogRecord, Position } from '@weft/core'
import type { Subscriber } from '../base/subscriber.js'
import { costOf } from '../turns/turns.js'
import type { WriteShare } from '../turns/write-shares.js'

/** A change that has its position, and who offered it. */
export interface Admitted {
  readonly record: LogRecord
  readonly origin: Subscriber
  /** The change itself, where it erases others (ERA-1). */
  readonly erasing?: Change
}

/** What is written at once: its heads are those that the log has after it. */
export interface AdmittedBatch {
  readonly batch: readonly Admitted[]
  readonly heads: readonly ChangeId[]
}

/** Beyond so much the next write begins: an fsync of many bytes keeps everybody waiting. */
const BATCH_BYTES_MAX = 65_536

/** Changes of one context that are admitted and not yet written, in batches that are not too large. */
export class AdmittedQueue {
  readonly #full: AdmittedBatch[] = []
  #open: Admitted[] = []
  #openBytes = 0
  /** Of all that is here, and of what was taken and is not written yet; as turns are measured. */
  #cost = 0
  #takenCost = 0

  /** @param heads of the log up to the last change that was put here */
  constructor(
    private readonly share: WriteShare,
    private readonly heads: () => ChangeId[],
  ) {}

  get isEmpty(): boolean {
    return this.#full.length === 0 && this.#open.length === 0
  }

  put(admitted: Admitted): void {
    const cost = costOf([admitted.record])
    this.#cost += cost
    this.share.admitted(cost)
    this.#open.push(admitted)
    this.#openBytes += admitted.record.bytes.length
    if (this.#openBytes >= BATCH_BYTES_MAX) this.#full.push(this.#close())
  }

  take(): AdmittedBatch {
    const taken = this.#full.shift() ?? this.#close()
    this.#takenCost += costOf(taken.batch.map(({ record }) => record))
    return taken
  }

  /** All that was taken is on disk. */
  written(): void {
    this.#left(this.#takenCost)
    this.#takenCost = 0
  }

  /** Nothing of it will be written any more. */
  clear(): void {
    this.#full.length = 0
    this.#open = []
    this.#openBytes = 0
    this.#left(this.#cost)
    this.#takenCost = 0
  }

  #left(cost: number): void {
    this.#cost -= cost
    if (cost > 0) this.share.written(cost)
  }

  #close(): AdmittedBatch {
    const batch = this.#open
    this.#open = []
    this.#openBytes = 0
    return { batch, heads: this.heads() }
  }
}

/** A change that two connections offer at once is in the batch twice and goes to the log once. */
export function newRecords(batch: readonly Admitted[], committed: Position): LogRecord[] {
  const records: LogRecord[] = []
  let last = committed
  for (const { record } of batch) {
    if (record.position !== last + 1) continue
    records.push(record)
    last = record.position
  }
  return records
}
