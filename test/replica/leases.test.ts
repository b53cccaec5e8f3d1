import { describe, expect, it } from 'vitest'
import { countedHost } from '../support/counted-host.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'
import { StalledPeer } from '../support/stalled-peer.ts'

/** Long enough to be renewed on a machine that is busy. */
const SHORT_MS = 400

async function workers(count: number) {
  const harness = await PeerHarness.start()
  const contexts = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const replica = await harness.replica()
      return replica.open(Research, { workflow: 'w', agent: `agent-${index}` })
    }),
  )
  return { harness, contexts }
}

describe('[HND-3] a lease on a branch', () => {
  it('lets its holder alone commit, and is had by the next one when it is given back', async () => {
    const { contexts } = await workers(2)
    const [first, second] = contexts
    const lease = await first!.lease()
    expect(lease).toMatchObject({ on: 'branch:main', epoch: 1, held: true })
    await first!.append('message', { text: 'mine' }).committed
    const intruding = second!.append('message', { text: 'not yours' })
    await expect(intruding.committed).rejects.toMatchObject({
      code: 'WEFT_LEASE_HELD',
      details: { holder: 'agent-0', epoch: 1 },
    })
    await second!
      .fork('aside')
      .append('message', { text: 'elsewhere' })
      .committed.catch(() => {})
    const waiting = second!.lease()
    await lease.release()
    const next = await waiting
    expect(next.epoch).toBe(2)
    expect(
      second!.entries().map(({ value }) => value),
      'it has seen all that its predecessor wrote',
    ).toEqual([{ text: 'mine' }])
    await second!.append('message', { text: 'mine now' }).committed
    // Who gave it back writes as anybody does: not while somebody else holds it.
    await expect(first!.append('message', { text: 'still here?' }).committed).rejects.toMatchObject({
      code: 'WEFT_LEASE_HELD',
    })
  })

  it('is not lost to one who asks for it and does not hear that others were quicker, but held', async () => {
    const harness = await PeerHarness.start()
    const quick = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'quick' })
    const link = await StalledPeer.before(harness.url)
    const slow = await (await harness.replica({ url: link.url })).open(Research, {
      workflow: 'w',
      agent: 'slow',
    })
    await slow.append('message', { text: 'here' }).committed
    link.hold('log')
    await (await quick.lease()).release()
    await expect(slow.lease({ timeout_ms: SHORT_MS })).rejects.toMatchObject({
      code: 'WEFT_LEASE_HELD',
      message: expect.stringContaining('was granted to somebody else while it was asked for') as string,
      details: { on: 'branch:main' },
    })
  })

  it('is renewed while its holder lives, however short it is', async () => {
    const { contexts } = await workers(2)
    const [first, second] = contexts
    const lease = await first!.lease({ ttl_ms: SHORT_MS })
    await expect(second!.lease({ timeout_ms: SHORT_MS * 4 })).rejects.toMatchObject({
      code: 'WEFT_LEASE_HELD',
    })
    expect(lease.held).toBe(true)
    await first!.append('message', { text: 'still mine' }).committed
  })

  it('runs out when its holder is cut off: it stops by itself, and its successor is not waited for', async () => {
    const { harness, contexts } = await workers(2)
    const [first, second] = contexts
    const lease = await first!.lease({ ttl_ms: SHORT_MS })
    const working = first!.step('slow', async step => {
      await new Promise((_, reject) =>
        step.signal.addEventListener('abort', () => reject(step.signal.reason)),
      )
    })
    const stopped = rejectionOf(working)
    await harness.stop()
    expect((await stopped).code).toBe('WEFT_LEASE_LOST')
    expect(lease.held).toBe(false)
    expect(() => first!.append('message', { text: 'late' })).toThrow(/not renewed/)
    await harness.restart()
    const next = await second!.lease()
    expect(next.epoch).toBe(2)
    await second!.append('message', { text: 'mine' }).committed
    const again = first!.lease()
    await next.release()
    expect((await again).epoch).toBe(3)
    await first!.append('message', { text: 'and mine again' }).committed
  })

  it('outlives a restart of the peer: its holder goes on, and an older epoch is refused as ever', async () => {
    const { harness, contexts } = await workers(3)
    const [first, second, third] = contexts
    const zombie = await first!.lease()
    const queued = first!.append('message', { text: 'under 1' })
    await queued.committed
    await zombie.release()
    const lease = await second!.lease({ ttl_ms: 60_000 })
    await harness.restart()
    await second!.append('message', { text: 'under 2, after the restart' }).committed
    await expect(third!.lease({ timeout_ms: 200 })).rejects.toMatchObject({ code: 'WEFT_LEASE_HELD' })
    expect(lease.held).toBe(true)
    await lease.release()
    expect((await third!.lease()).epoch).toBe(3)
  })

  it('is given back when its handle is closed', async () => {
    const { contexts } = await workers(2)
    const [first, second] = contexts
    await first!.lease({ ttl_ms: 60_000 })
    await first!.close()
    expect((await second!.lease({ timeout_ms: 2_000 })).epoch).toBe(2)
  })

  it('is asked for once by a handle that holds it, and can be waited for in vain with a signal', async () => {
    const { contexts } = await workers(2)
    const [first, second] = contexts
    const lease = await first!.lease()
    expect(await first!.lease()).toBe(lease)
    const controller = new AbortController()
    const waiting = second!.lease({ signal: controller.signal })
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'WEFT_ABORTED' })
  })

  it('of five that ask at once, again and again, each has it in its turn, under a number of its own', async () => {
    const { contexts } = await workers(5)
    let holders = 0
    const epochs: number[] = []
    const takeTurns = async (context: (typeof contexts)[number]): Promise<void> => {
      for (const _ of [1, 2, 3]) {
        const lease = await context.lease()
        expect(++holders).toBe(1)
        epochs.push(lease.epoch)
        await context.append('message', { text: `under ${lease.epoch}` }).committed
        holders--
        await lease.release()
      }
    }
    await Promise.all(contexts.map(takeTurns))
    expect(epochs).toEqual(Array.from({ length: 15 }, (_, index) => index + 1))
  })

  it.each([0, -5, 1.5, Number.NaN, 3_600_001])('of %s ms is refused', async ttl_ms => {
    const { contexts } = await workers(1)
    const { digest } = contexts[0]!
    const before = digest.call(contexts[0])
    await expect(contexts[0]!.lease({ ttl_ms })).rejects.toMatchObject({ code: 'WEFT_LEASE_INVALID' })
    expect(contexts[0]!.digest()).toBe(before)
  })

  it('needs the scope to write, to be had and to be renewed', async () => {
    const { harness, contexts } = await workers(1)
    await contexts[0]!.append('message', { text: 'begun' }).committed
    const reader = await harness.replica({ token: await harness.token({ scopes: ['read'] }) })
    const context = await reader.open(Research, { workflow: 'w', agent: 'reader' })
    await expect(context.lease()).rejects.toMatchObject({ code: 'WEFT_SCOPE' })
    const client = await harness.following({ scopes: ['read'] })
    client.send({ name: 'renew', request: 7, workflow: 'w', on: 'branch:main', epoch: 1 })
    expect(await client.next('denied')).toMatchObject({ request: 7, code: 'WEFT_SCOPE' })
  })
})

describe('[HND-3] a lease ends with its handle', () => {
  /** Far longer than a test waits: whoever is given it before was given it back. */
  const LONG_MS = 600_000
  const SOON = { timeout_ms: 10_000 }

  it.each([
    ['stays open', true],
    ['is closed with it', false],
  ])('when it is asked for as that is closed, and the context %s', async (_, stays) => {
    const { harness, contexts } = await workers(1)
    const replica = await harness.replica()
    const handle = await replica.open(Research, { workflow: 'w', agent: 'leaving' })
    if (stays) await replica.open(Research, { workflow: 'w', agent: 'staying' })
    const asked = rejectionOf(handle.lease({ ttl_ms: LONG_MS }))
    await handle.close()
    expect((await asked).code).toBe('WEFT_CLOSED')
    expect((await contexts[0]!.lease(SOON)).epoch).toBe(2)
    await expect(handle.lease()).rejects.toMatchObject({ code: 'WEFT_CLOSED' })
  })

  it('when it is still held by another: nobody waits for that, neither to have it nor to be closed', async () => {
    const { harness, contexts } = await workers(1)
    const host = countedHost()
    const replica = await harness.replica({ host })
    const handle = await replica.open(Research, { workflow: 'w', agent: 'leaving' })
    await replica.open(Research, { workflow: 'w', agent: 'staying' })
    const lease = await contexts[0]!.lease({ ttl_ms: LONG_MS })
    const asked = rejectionOf(handle.lease())
    await until(() => host.timers().some(ms => ms > LONG_MS / 2), 'it waits until the other runs out')
    await handle.close()
    expect((await asked).code).toBe('WEFT_CLOSED')
    expect(host.timers().filter(ms => ms > LONG_MS / 2)).toEqual([])
    expect(lease.held).toBe(true)
  })

  it.each([
    ['', {}],
    [' with all that is not durable', { discard: true }],
  ])('and that with its replica, when that is closed%s: no timer is left', async (_, how) => {
    const { harness, contexts } = await workers(1)
    const host = countedHost()
    const replica = await harness.replica({ host })
    const handle = await replica.open(Research, { workflow: 'w', agent: 'leaving' })
    const lease = await handle.lease({ ttl_ms: LONG_MS })
    const other = await replica.open(Research, { workflow: 'other', agent: 'leaving' })
    const subscription = await handle.subscribe('pool')
    const claim = await subscription.claim({ ttl_ms: LONG_MS })
    const waiting = rejectionOf(subscription.claim())
    await until(() => host.timers().some(ms => ms > LONG_MS / 2), 'one claim waits for the other')
    const asked = rejectionOf(other.lease())
    await replica.close(how)
    expect((await contexts[0]!.lease(SOON)).epoch).toBe(2)
    expect(lease.held).toBe(false)
    expect(claim.signal.reason).toMatchObject({ code: 'WEFT_CLOSED' })
    expect([(await asked).code, (await waiting).code]).toEqual(['WEFT_CLOSED', 'WEFT_CLOSED'])
    await until(() => host.timers().length === 0, 'its process may end')
  })

  it('and is given back by those of a fan-out, whatever has come of their work', async () => {
    const { harness, contexts } = await workers(1)
    const lost = contexts[0]!.fanOut(['a', 'b'], async branch => {
      await branch.lease({ ttl_ms: LONG_MS })
      throw new Error(branch.branch)
    })
    await expect(lost).rejects.toThrow('2 of 2 branches failed')
    const replica = await harness.replica()
    const heir = await replica.open(Research, { workflow: 'w', agent: 'heir', branch: 'a' })
    expect((await heir.lease(SOON)).epoch).toBe(2)
  })
})

describe('[HND-3] a handle that asks for its lease while it asks for it', () => {
  it('does not wait for itself, and is given the one', async () => {
    const { contexts } = await workers(1)
    const [first, second, third] = await Promise.all([1, 2, 3].map(() => contexts[0]!.lease()))
    expect(second).toBe(first)
    expect(third).toBe(first)
    expect(first).toMatchObject({ epoch: 1, held: true })
  })

  it('asks anew when what it asked first has come to nothing, and is waited for no longer than it may be', async () => {
    const { contexts } = await workers(2)
    const [first, second] = contexts
    const lease = await first!.lease()
    const controller = new AbortController()
    const given = rejectionOf(second!.lease({ signal: controller.signal }))
    const late = second!.lease({ timeout_ms: 1 })
    const next = second!.lease()
    await expect(late).rejects.toMatchObject({ code: 'WEFT_LEASE_HELD', details: { on: 'branch:main' } })
    controller.abort()
    expect((await given).code).toBe('WEFT_ABORTED')
    await lease.release()
    expect(await next).toMatchObject({ epoch: 2, held: true })
  })
})
