import {
  BranchWriter,
  ChangeSet,
  EMPTY_LOG,
  extendRunningHash,
  type LogAppend,
  type LogHead,
  type LogRecord,
  type Store,
  type TenantId,
  type VerifiedRecord,
} from '@weft/core'
import { expect } from 'vitest'
import '../support/equal-bytes.ts'
import { host } from '../support/host.ts'

/** Writes one context as an agent would, and hands it out as the appends that a peer would make of it. */
export class LogMaker {
  readonly records: LogRecord[] = []
  readonly #writer: BranchWriter

  constructor(readonly workflow: string) {
    this.#writer = new BranchWriter(new ChangeSet(host.hash), host, 'main', 'agent')
  }

  /** The next `count` changes, each with `chars` characters of text in it. */
  next(count = 1, chars = 10): LogAppend {
    const from = this.records.length
    while (this.records.length < from + count) this.#write(chars)
    return this.appendOf(from, from + count)
  }

  /** The append that takes a log of `from` changes to `to`. */
  appendOf(from: number, to: number): LogAppend {
    const head = { workflow: this.workflow, count: to, heads: [this.records[to - 1]!.id] }
    return { records: this.records.slice(from, to), head }
  }

  /** What a store says of a log of so many of these changes. */
  headAt(count = this.records.length): LogHead {
    const ids = this.records.slice(0, count).map(({ id }) => id)
    return {
      workflow: this.workflow,
      count,
      heads: [ids.at(-1)!],
      runningHash: extendRunningHash(host.hash, EMPTY_LOG, ids),
    }
  }

  #write(chars: number): void {
    const position = this.records.length + 1
    const value = { position, text: '.'.repeat(chars) }
    const change = this.#writer.write({ entries: [{ kind: 'message', value }] })!
    this.records.push({ position, id: change.id, bytes: change.bytes })
  }
}

/** A log of `count` changes, appended one by one. */
export async function written(
  store: Store,
  tenant: TenantId,
  workflow: string,
  count: number,
): Promise<LogMaker> {
  const maker = new LogMaker(workflow)
  for (let i = 0; i < count; i++) await store.tenant(tenant).append(maker.next())
  return maker
}

/** What was read, as it was appended; the change that comes with each is the one that its bytes are. */
export async function recordsOf(reading: Promise<readonly VerifiedRecord[]>): Promise<LogRecord[]> {
  return (await reading).map(recordOf)
}

export function recordOf({ change, ...record }: VerifiedRecord): LogRecord {
  expect([change.id, change.bytes === record.bytes]).toEqual([record.id, true])
  return record
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}
