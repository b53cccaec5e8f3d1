import { WIRE_LIMITS } from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Author } from '../support/wire-author.ts'
import type { WireClient } from '../support/wire-client.ts'

const LARGE = 200_000
const CHANGES = 40

/** A peer whose log is many times as long as what may be under way to one reader. */
async function withLongLog(limits = {}): Promise<PeerHarness> {
  const harness = await PeerHarness.start({ limits })
  const writer = await harness.following()
  const author = new Author(1)
  for (const change of author.appends(CHANGES, LARGE)) {
    writer.push(change)
    await writer.next('log')
    writer.send({ name: 'seen', channel: 1, position: author.set.size - CHANGES + 1 })
  }
  await writer.close()
  return harness
}

function logBytes({ inbox }: WireClient): number {
  return inbox
    .flatMap(message => (message.name === 'log' ? message.items : []))
    .reduce((sum, item) => sum + item.length, 0)
}

describe('a slow reader', () => {
  test('that never says what it has seen is sent what may be under way, and the rest stays on disk', async () => {
    const harness = await withLongLog()
    const reader = await harness.following()
    await until(() => logBytes(reader) >= WIRE_LIMITS.log_bytes_max, 'it has what it may have')
    // What is asked for next is answered after all that was on its way.
    reader.open('other', 2)
    await reader.next('opened')
    expect(logBytes(reader)).toBeLessThan(WIRE_LIMITS.log_bytes_max + 2 * LARGE)
    const taken = reader.inbox.flatMap(message => (message.name === 'log' ? message.items : [])).length
    reader.send({ name: 'seen', channel: 1, position: taken })
    await until(() => logBytes(reader) >= 2 * WIRE_LIMITS.log_bytes_max, 'it is sent more')
  })

  test('does not keep the others waiting', async () => {
    const harness = await withLongLog()
    const slow = await harness.following()
    await until(() => logBytes(slow) >= WIRE_LIMITS.log_bytes_max, 'it has what it may have')
    const writer = await harness.following({}, 'other')
    writer.push(new Author(2).append())
    await writer.next('log')
  })

  test('that takes nothing off its socket is cut off, and its memory with it', async () => {
    const harness = await withLongLog({ congested_bytes: 4_000_000, buffered_bytes_max: 4_000_000 })
    const stalled = await harness.following({}, 'other')
    stalled.socket.pause()
    // Each channel may have its share under way: more than the socket may hold, together.
    for (let channel = 2; channel < 40; channel++) stalled.open('w', channel)
    await until(async () => (await harness.metric('weft_connections')) === 0, 'it is cut off')
    stalled.socket.resume()
    expect(await stalled.closed).toBe(1006)
  })

  test('whose socket is full is read no more for, and then goes on where it was', async () => {
    const harness = await withLongLog({ congested_bytes: 300_000, buffered_bytes_max: 3_000_000 })
    const stalled = await harness.following({}, 'other')
    stalled.socket.pause()
    for (let channel = 2; channel < 40; channel++) stalled.open('w', channel)
    const framesIn = 2 + 2 + 38
    await until(
      async () => (await harness.metric('weft_frames_received_total')) >= framesIn + CHANGES * 2,
      'all is asked for',
    )
    expect(await harness.metric('weft_connections')).toBe(1)
    stalled.socket.resume()
    const most = WIRE_LIMITS.log_bytes_max
    await until(() => logBytes(stalled) >= 38 * most, 'all channels have what they may have')
    expect(await harness.metric('weft_connections')).toBe(1)
  })
})
