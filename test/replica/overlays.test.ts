import { defineOverlay, type Replica } from '@weft/replica'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'

const House = defineOverlay(
  'house',
  z.object({ prompt: z.string(), flags: z.record(z.string(), z.boolean()).default({}) }),
)
/** So that no answer is renewed, nor runs out, while a test runs. */
const LONG_MS = 600_000

async function start(overlay_lease_ms = LONG_MS) {
  const harness = await PeerHarness.start({ limits: { overlay_lease_ms } })
  const publisher = await harness.replica({ token: await harness.token({ scopes: ['read', 'admin'] }) })
  const worker = async (client = 'worker') => {
    const replica = await harness.replica({ overlays: true, client })
    return { replica, context: await replica.open(Research, { workflow: 'w', agent: 'planner' }) }
  }
  return { harness, publisher, worker }
}

/** Resolves when a replica knows a version. */
const knows = (replica: Replica, version: number) =>
  until(async () => (await replica.overlays.get('house'))?.version === version, `version ${version} is known`)

describe('[OVL-1] an overlay', () => {
  it('has versions without gaps, whoever publishes them at once, and keeps them all', async () => {
    const { harness, publisher } = await start()
    const other = await harness.replica({ token: await harness.token({ scopes: ['read', 'admin'] }) })
    const both = [publisher, other]
    const published = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        both[index % 2]!.overlays.publish(House, { prompt: `be ${index}` }, { reason: `because ${index}` }),
      ),
    )
    expect(published.map(({ version }) => version).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
    const reader = await harness.replica()
    const history = await reader.overlays.history('house')
    expect(history.map(({ version }) => version)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    expect(new Set(history.map(({ reason }) => reason)).size).toBe(20)
    expect(await reader.overlays.get(House)).toMatchObject({ version: 20, value: { flags: {} } })
  })
})

describe('[OVL-2] a step', () => {
  it('runs under the version in force, says so, and asks nobody before it begins', async () => {
    const { harness, publisher, worker } = await start()
    await publisher.overlays.publish(House, { prompt: 'be brief' })
    const { replica, context } = await worker()
    await knows(replica, 1)
    const { change } = await context.step('speak', step => {
      step.append('message', { text: step.overlay(House)!.value.prompt })
    })
    const [record] = [...context.audit()].filter(({ change: id }) => id === change)
    expect(record).toBeDefined()
    const before = await harness.metric('weft_frames_received_total')
    for (let turn = 0; turn < 100; turn++) await context.step('look', step => void step.overlay(House))
    expect(await harness.metric('weft_frames_received_total')).toBe(before)
  })
})

it('[OVL-3] a running step is told, and its commit refused', async () => {
  const { publisher, worker } = await start()
  const { context } = await worker()
  const refused = await rejectionOf(
    context.step('think', async step => {
      const ended = new Promise(resolve => step.signal.addEventListener('abort', resolve))
      await publisher.overlays
        .publish('house', 'new rules', { barrier: true, timeout_ms: 500 })
        .catch(error => error)
      await ended
      step.append('message', { text: 'late' })
    }),
  )
  expect(refused.code).toBe('WEFT_OVERLAY_STALE')
})
