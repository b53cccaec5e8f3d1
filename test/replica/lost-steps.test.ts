import { EMPTY_LOG, extendRunningHash } from '@weft/core'
import type { ReplicaEvent } from '@weft/replica'
import { expect, test } from 'vitest'
import { stepUnder } from '../support/overlay-changes.ts'
import { sha256 } from '../support/core-property.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'

test('[DUR-5] [OVL-3] steps that the log has lost are taken again, though an overlay is in force that came after them; no others are', async () => {
  const harness = await PeerHarness.start({ limits: { overlay_lease_ms: 600_000 } })
  const publisher = await harness.replica({ token: await harness.token({ scopes: ['read', 'admin'] }) })
  await publisher.overlays.publish('house', 'one')
  const events: ReplicaEvent[] = []
  const worker = await harness.replica({ overlays: true, onEvent: event => void events.push(event) })
  const context = await worker.open(Research, { workflow: 'w', agent: 'worker' })
  for (const text of ['first', 'second', 'third'])
    await context.step('turn', step => step.append('message', { text }))
  await publisher.overlays.publish('house', 'two')
  await harness.stop()
  const log = harness.disk.tenants.get('acme')!.get('w')!
  const { length } = log.records
  log.records.length = length - 2
  const ids = log.records.map(record => record!.id)
  log.head = {
    ...log.head,
    count: ids.length,
    heads: [ids.at(-1)!],
    runningHash: extendRunningHash(sha256, EMPTY_LOG, ids),
  }
  await harness.restart()
  await until(async () => (await harness.ids()).length === length, 'all is there again')
  await context.until(() => context.position === length)
  expect(textsOf(context)).toEqual(['first', 'second', 'third'])
  expect(events.filter(({ type }) => type === 'rollback')).toHaveLength(1)
  expect(events.filter(({ type }) => type === 'refused')).toEqual([])
  const stale = await harness.following()
  stale.push(stepUnder({ house: 1 }))
  expect(await stale.next('refuse')).toMatchObject({ code: 'WEFT_OVERLAY_STALE' })
})
