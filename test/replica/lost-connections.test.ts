import { decodeChange, fromHex } from '@weft/core'
import { connect, type Replica } from '@weft/replica'
import { describe, expect, onTestFinished, test } from 'vitest'
import { sha256 } from '../support/core-property.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'
import { ScriptedPeer } from '../support/replica-scripted-peer.ts'
import { StalledPeer } from '../support/stalled-peer.ts'
import type { WireEnd } from '../support/wire-client.ts'

/** A context that is open, a write that was sent, and a proposal and a question that were. */
async function underWay() {
  const peer = await ScriptedPeer.start()
  const replica: Replica = await connect({ url: peer.url, token: 't', offline: true })
  onTestFinished(() => replica.close({ discard: true }))
  const opening = replica.open(Research, { workflow: 'w', agent: 'a' })
  const { end, open } = await peer.opened(0)
  const context = await opening
  const written = context.append('message', { text: 'written' })
  const pushed = await idsOf(end)
  const proposed = context.propose(draft => void draft.append('message', { text: 'proposed' }), {})
  const { change } = await end.next('propose')
  const asked = context.reach('a session')
  await end.next('present')
  for (const each of [proposed, asked]) each.catch(() => {})
  return { peer, replica, context, end, open, written, pushed, proposed, change, asked }
}

async function idsOf(end: WireEnd): Promise<string[]> {
  return (await end.next('push')).changes.map(bytes => decodeChange(bytes, sha256).id)
}

/** Ends the connection for what somebody has sent over it. */
function fail(end: WireEnd): void {
  const message = 'the frame cannot be read'
  end.send({ name: 'fail', channel: null, code: 'WEFT_FRAME_MALFORMED', message, cure: 'send another' })
  end.socket.close(4400, 'WEFT_FRAME_MALFORMED')
}

describe('[DUR-1] what is under way when a connection fails', () => {
  test('is told as not known, not as what the peer said of something else', async () => {
    const { replica, context, end, written, pushed, proposed, asked } = await underWay()
    const { committed } = written
    fail(end)
    const unknown = { code: 'WEFT_NOT_SYNCED', cause: { code: 'WEFT_FRAME_MALFORMED' } }
    for (const waiting of [committed, proposed, asked]) await expect(waiting).rejects.toMatchObject(unknown)
    // Also to whoever asks only now.
    await expect(context.append('message', { text: 'later' }).committed).rejects.toMatchObject({
      code: 'WEFT_FRAME_MALFORMED',
    })
    await expect(written.committed).rejects.toMatchObject(unknown)
    expect(replica.unacknowledged[0]!.changes.map(change => change.id).slice(0, 2)).toEqual(pushed)
  })

  test('and is not known either of a write whose outcome nobody had asked for yet', async () => {
    const { replica, end, written } = await underWay()
    fail(end)
    await until(() => !replica.online, 'it has failed')
    await expect(written.committed).rejects.toMatchObject({ code: 'WEFT_NOT_SYNCED' })
  })

  test('waits where it may be tried again, is offered anew, and is told then', async () => {
    const { peer, context, end, written, pushed, proposed, change } = await underWay()
    const { committed } = written
    end.socket.terminate()
    const { end: again, open } = await peer.opened(0)
    expect(await idsOf(again)).toEqual(pushed)
    expect((await again.next('propose')).change).toEqual(change)
    expect(await again.next('present')).toMatchObject({ token: 'a session' })
    const { channel } = open
    again.send({ name: 'ack', channel, ids: fromHex(pushed.join('')), positions: [1, 2] })
    expect(await committed).toBe(2)
    const items = [...pushed.map(fromHex), change]
    again.send({ name: 'log', channel, from: 1, items })
    expect((await proposed)!.position).toBe(3)
    expect(textsOf(context)).toEqual(['written', 'proposed'])
  })

  test('[DUR-3] is in the log once, where the peer had taken it before the connection broke', async () => {
    const harness = await PeerHarness.start()
    const link = await StalledPeer.before(harness.url)
    const replica = await harness.replica({ url: link.url })
    const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
    await context.append('message', { text: 'begin' }).committed
    link.hold('log')
    const { committed } = context.append('message', { text: 'written' })
    const proposed = context.propose(draft => void draft.append('message', { text: 'proposed' }), {})
    await until(async () => (await harness.ids()).length === 4, 'the peer has taken both')
    link.cut(1013, 'WEFT_STORE_FAILED')
    link.release()
    expect(await committed).toBe(3)
    expect((await proposed)!.position).toBe(4)
    expect(await harness.ids()).toHaveLength(4)
    expect(textsOf(context)).toEqual(['begin', 'written', 'proposed'])
  })
})
