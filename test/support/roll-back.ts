import { EMPTY_LOG, extendRunningHash } from '@weft/core'
import { sha256 } from './core-property.ts'
import { PeerHarness } from './peer-harness.ts'
import { type Opened, Research } from './replica-contexts.ts'

/** The peer goes down, and is to come back on the log as it was when it had so many changes. */
export async function rollBack(harness: PeerHarness, count: number): Promise<void> {
  await harness.stop()
  const context = harness.disk.tenants.get('acme')!.get('w')!
  context.records.length = count
  const ids = context.records.map(record => record!.id)
  context.head = { ...context.head, count, runningHash: extendRunningHash(sha256, EMPTY_LOG, ids) }
}

/** As `rollBack`; and before those come back who had been there, another worker writes. */
export async function rewrite(
  harness: PeerHarness,
  count: number,
  write: (other: Opened) => Promise<unknown>,
): Promise<void> {
  await rollBack(harness, count)
  const elsewhere = await PeerHarness.start({}, harness.disk)
  const replica = await elsewhere.connect()
  await write(await replica.open(Research, { workflow: 'w', agent: 'other' }))
  await replica.close()
  await elsewhere.stop()
  await harness.restart()
}
