import type { Change, ChangeId, LogRecord, Position, Preconditions, WeftError } from '@weft/core'

/** Whoever follows a context or writes to it: one channel of one connection. */
export interface Subscriber {
  /** The log has grown to `count`, fsynced; `own` are the records in it that this subscriber submitted. */
  committed(count: Position, own: readonly LogRecord[]): void
  duplicate(record: LogRecord): void
  refused(id: ChangeId, error: unknown): void
  /** The log is damaged: nothing more comes of it, and nothing is written to it. */
  failed(error: WeftError): void
}

/** A log, to whoever follows it. */
export interface FollowedLog {
  subscribe(subscriber: Subscriber): void
  unsubscribe(subscriber: Subscriber): void
  submit(changes: readonly Change[], origin: Subscriber, preconditions?: Preconditions): void
}
