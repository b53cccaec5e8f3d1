import { describe, expect, test } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Author } from '../support/wire-author.ts'

const MANY = 4_000

describe('[TEN-2] what one tenant offers', () => {
  test('in a large frame is worked off between the small ones of another', async () => {
    const harness = await PeerHarness.start()
    const bulk = await harness.following({ tenant: 'bulk' })
    const other = await harness.following()
    bulk.push(...new Author(1).appends(MANY))
    const author = new Author(2)
    for (let i = 0; i < 3; i++) {
      other.push(author.append())
      await other.next('log')
    }
    const written = (await harness.head('w', 'bulk'))?.count ?? 0
    expect(written).toBeLessThan(MANY)
    await until(async () => (await harness.head('w', 'bulk'))?.count === MANY, 'all of it is written')
  })

  test('and was not taken when its connection broke is not taken later either', async () => {
    const harness = await PeerHarness.start()
    const bulk = await harness.following()
    bulk.push(...new Author(1).appends(MANY))
    await bulk.next('log')
    bulk.socket.terminate()
    await until(async () => (await harness.metric('weft_connections')) === 0, 'it is gone')
    const { unacked } = await harness.peer.drain()
    expect(unacked).toBe(0)
    const log = await harness.log()
    expect(log.length).toBeLessThan(MANY)
    expect(log.map(({ position }) => position)).toEqual(log.map((_, index) => index + 1))
  })

  test('faster than it is worked off is left at its sender', async () => {
    const harness = await PeerHarness.start({ limits: { inbox_bytes_max: 10_000 } })
    const client = await harness.following()
    const author = new Author(1)
    const before = await harness.metric('weft_frames_received_total')
    const frames = 3_000
    for (let i = 0; i < frames; i++) client.push(author.append(100))
    const answered = () =>
      client.inbox.reduce((sum, message) => sum + (message.name === 'log' ? message.items.length : 0), 0)
    await until(() => answered() > 0, 'it has begun')
    const read = (await harness.metric('weft_frames_received_total')) - before
    expect(read).toBeLessThan(frames)
    await until(() => answered() === frames, 'all is answered')
  })
})
