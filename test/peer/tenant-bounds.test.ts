import { describe, expect, test } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { researchOn, sharingStep, StockClient } from '../support/scratch-clients.ts'
import { WireClient } from '../support/wire-client.ts'

const bounded = (connections_per_tenant_max: number) =>
  PeerHarness.start({ limits: { connections_per_tenant_max } })

describe('[TEN-2] what one tenant has open', () => {
  test('is bounded, and takes nothing from another', async () => {
    const harness = await bounded(2)
    const [first] = [await harness.following(), await harness.following()]
    const refused = await WireClient.connect(harness.url)
    refused.hello(await harness.token())
    expect(await refused.next('fail')).toMatchObject({ code: 'WEFT_LIMIT' })
    expect(await refused.closed).toBe(1013)
    const feed = await harness.http('/feed/w', {
      headers: { authorization: `Bearer ${await harness.token()}` },
    })
    expect([feed.status, JSON.parse(feed.text).code]).toEqual([503, 'WEFT_LIMIT'])
    await harness.following({ tenant: 'zeta' })
    first!.socket.terminate()
    await until(async () => (await harness.metric('weft_connections')) === 2, 'one has left')
    await harness.following()
  })

  test('counts connections to scratches, which are refused with a code to come back later', async () => {
    const harness = await bounded(2)
    const held = await sharingStep(await researchOn(harness))
    const { provider } = StockClient.connecting(held.place, await harness.token())
    const code = await new Promise(resolve => provider.once('connection-close', each => resolve(each?.code)))
    expect(code).toBe(1013)
    await held.end()
  })
})
