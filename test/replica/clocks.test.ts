import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'

const HOUR_MS = 3_600_000
const TERM_MS = 300

/** Sets the wall clock of this process: worker, peer and test. It goes on from there, and is put right at the end. */
function setClock(by_ms: number): void {
  const trueNow = Date.now.bind(Date)
  const spy = vi.spyOn(Date, 'now').mockImplementation(() => trueNow() + by_ms)
  onTestFinished(() => spy.mockRestore())
}

describe('a wall clock that is set while a process runs', () => {
  it('[HND-3] does not lengthen a lease, for its holder or for those who wait', async () => {
    const harness = await PeerHarness.start()
    const [first, second] = await Promise.all(
      ['one', 'two'].map(async agent => (await harness.replica()).open(Research, { workflow: 'w', agent })),
    )
    const lease = await first!.lease({ ttl_ms: TERM_MS, renew: false })
    setClock(-HOUR_MS)
    expect(lease.held).toBe(true)
    expect((await second!.lease()).epoch).toBe(2)
    expect(lease.held).toBe(false)
  })

  it('[HND-3] ends a lease that its holder slept through, as the wall clock alone tells', async () => {
    const harness = await PeerHarness.start()
    const context = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'one' })
    const lease = await context.lease({ ttl_ms: 60_000 })
    setClock(HOUR_MS)
    expect(lease.held).toBe(false)
  })

  it('[OVL-2] does not lengthen what a worker knows of its overlays', async () => {
    const harness = await PeerHarness.start({ limits: { overlay_lease_ms: TERM_MS } })
    const replica = await harness.replica({ overlays: true })
    const context = await replica.open(Research, { workflow: 'w', agent: 'one' })
    await context.step('known', () => {})
    await harness.stop()
    setClock(-HOUR_MS)
    const begins = async (): Promise<unknown> =>
      context.step('unknown', () => 'begun', { timeout_ms: 1 }).catch(error => error.code)
    await until(async () => (await begins()) === 'WEFT_OVERLAY_UNKNOWN', 'nothing is known any more')
  })
})
