import type { LogRecord, Store } from '@weft/core'
import fc from 'fast-check'
import { expect } from 'vitest'
import { holdsAsync } from '../support/core-property.ts'
import { collect, LogMaker, recordsOf } from './log-maker.ts'
import type { StoreHarness } from './store-harness.ts'

/** The naive store: a map of tenants to a map of workflows to a log. */
type Model = Map<string, Map<string, LogMaker>>

type Command =
  | { do: 'append'; tenant: string; workflow: string; changes: number; chars: number; wait: boolean }
  | { do: 'read'; tenant: string; workflow: string; from: number; bytes_max: number }
  | { do: 'drop'; tenant: string }
  | { do: 'remove'; tenant: string; workflow: string }
  | { do: 'reopen' }

const tenants = fc.constantFrom('a', 'a-b', 'a.b', 'A')
const workflows = fc.constantFrom('w', 'w-1', 'w.1', '@w', 'l')

const commands: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      tenant: tenants,
      workflow: workflows,
      changes: fc.integer({ min: 1, max: 5 }),
      chars: fc.constantFrom(0, 10, 5_000),
      wait: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      tenant: tenants,
      workflow: workflows,
      from: fc.integer({ min: 1, max: 12 }),
      bytes_max: fc.constantFrom(0, 500, 6_000, 1_000_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), tenant: tenants }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('remove' as const), tenant: tenants, workflow: workflows }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
)

export async function storeMatchesModel(makeHarness: () => Promise<StoreHarness>): Promise<void> {
  await holdsAsync(
    fc.array(commands, { maxLength: 50 }),
    async list => {
      const harness = await makeHarness()
      try {
        await runAndCompare(harness, list)
      } finally {
        await harness.discard()
      }
    },
    25,
  )
}

async function runAndCompare(harness: StoreHarness, list: readonly Command[]): Promise<void> {
  const model: Model = new Map()
  let store = await harness.open()
  let unawaited: Promise<void>[] = []
  for (const command of list) {
    if (command.do === 'append') {
      const append = logOf(model, command.tenant, command.workflow).next(command.changes, command.chars)
      const appended = store.tenant(command.tenant).append(append)
      if (command.wait) await appended
      else unawaited.push(appended)
      continue
    }
    await Promise.all(unawaited)
    unawaited = []
    if (command.do === 'reopen') store = await harness.open()
    else if (command.do === 'drop') await compareDrop(store, model, command.tenant)
    else if (command.do === 'remove') await compareRemove(store, model, command.tenant, command.workflow)
    else await compareRead(store, model, command)
  }
  await Promise.all(unawaited)
  await compareAll(store, model)
  await compareAll(await harness.open(), model)
}

function logOf(model: Model, tenant: string, workflow: string): LogMaker {
  const logs = model.get(tenant) ?? new Map<string, LogMaker>()
  const log = logs.get(workflow) ?? new LogMaker(workflow)
  model.set(tenant, logs.set(workflow, log))
  return log
}

async function compareDrop(store: Store, model: Model, tenant: string): Promise<void> {
  const logs = [...(model.get(tenant)?.values() ?? [])]
  const changes = logs.reduce((sum, { records }) => sum + records.length, 0)
  expect(await store.tenant(tenant).drop()).toEqual({ workflows: logs.length, changes })
  model.delete(tenant)
}

async function compareRemove(store: Store, model: Model, tenant: string, workflow: string): Promise<void> {
  const logs = model.get(tenant)
  const records = logs?.get(workflow)?.records ?? []
  const removed = { changes: records.length, bytes: bytesOf(records) }
  expect(await store.tenant(tenant).remove(workflow)).toEqual(removed)
  logs?.delete(workflow)
  if (logs?.size === 0) model.delete(tenant)
}

async function compareRead(store: Store, model: Model, read: Command & { do: 'read' }): Promise<void> {
  const { tenant, workflow, from, bytes_max } = read
  const expected = []
  let bytes = 0
  for (const record of model
    .get(tenant)
    ?.get(workflow)
    ?.records.slice(from - 1) ?? []) {
    bytes += record.bytes.length
    if (expected.length > 0 && bytes > bytes_max) break
    expected.push(record)
  }
  expect(await recordsOf(store.tenant(tenant).read(workflow, from, bytes_max))).toStrictEqual(expected)
}

function bytesOf(records: readonly LogRecord[]): number {
  return records.reduce((sum, { bytes }) => sum + bytes.length, 0)
}

async function compareAll(store: Store, model: Model): Promise<void> {
  expect(await collect(store.tenants())).toEqual([...model.keys()].sort())
  for (const [tenant, logs] of model) {
    const heads = [...logs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, log]) => log.headAt())
    expect(await collect(store.tenant(tenant).heads())).toEqual(heads)
    const bytes = [...logs.values()].reduce((sum, { records }) => sum + bytesOf(records), 0)
    expect(await store.tenant(tenant).usage()).toEqual({ bytes, contexts: logs.size })
    for (const [workflow, log] of logs) {
      expect(await store.tenant(tenant).head(workflow)).toEqual(log.headAt())
      expect(await recordsOf(store.tenant(tenant).read(workflow, 1, 10_000_000))).toStrictEqual(log.records)
    }
  }
}
