import { createHmac } from 'node:crypto'
import { connect } from '@weft/replica'
import { SignJWT } from 'jose'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'
import { planOn, replicas, SECRET } from '../support/steps-peer.ts'

describe('session tokens', () => {
  it('[SES-1] [SES-2] opening after a token shows all that its session wrote and saw, on another replica', async () => {
    const [first, second] = await replicas(2)
    const other = await planOn(second!, 'other')
    const writer = await planOn(first!, 'writer')
    for (let i = 0; i < 50; i++) writer.append('memory', { text: `${i}` })
    const token = await writer.token()
    const reader = await second!.open(writer.definition, { workflow: 'wf', agent: 'reader', after: token })
    expect(reader.entries()).toHaveLength(50)
    expect(reader.position).toBeGreaterThanOrEqual(writer.position)
    await other.reach(token)
    expect(other.entries()).toHaveLength(50)
  })

  it('[SES-1] what a session has only seen is in its token too', async () => {
    const [first, second, third] = await replicas(3)
    const writer = await planOn(first!, 'writer')
    await writer.append('memory', { text: 'seen' }).committed
    const reader = await planOn(second!, 'reader')
    await reader.until(() => reader.entries().length === 1)
    const token = await reader.token()
    const next = await third!.open(reader.definition, { workflow: 'wf', agent: 'next', after: token })
    expect(next.entries().map(entry => entry.value)).toEqual([{ text: 'seen' }])
  })

  it('[SES-2] a replica that cannot reach a token fails with the missing positions, and answers with nothing', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    await context.append('memory', { text: 'one' }).committed
    const ahead = await forge({ tenant: 'acme', workflow: 'wf', position: 99, last: 'ab'.repeat(32) })
    const failing = context.reach(ahead, { timeout_ms: 50 })
    await expect(failing).rejects.toMatchObject({
      code: 'WEFT_NOT_SYNCED',
      details: { missing: { from: context.position + 1, to: 99 } },
    })
  })

  it('[SES-2] what cannot be reached any more is waited for no longer than its replica is open', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    await context.append('memory', { text: 'one' }).committed
    const ahead = await forge({ tenant: 'acme', workflow: 'wf', position: 99, last: 'ab'.repeat(32) })
    const reaching = rejectionOf(context.reach(ahead))
    // It is answered after that one: so what is waited for is the log.
    await context.token()
    await replica!.close()
    expect((await reaching).code).toBe('WEFT_CLOSED')
  })

  it('[SES-3] a token that is altered, expired, of another context, history or kind is refused by its code', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    await context.append('memory', { text: 'one' }).committed
    const token = await context.token()
    const mark = { tenant: 'acme', workflow: 'wf', position: 1, last: context.changes()[0]!.id }
    const refusals: [string, string][] = [
      [`${token.slice(0, -4)}AAAA`, 'WEFT_SESSION_INVALID'],
      ['', 'WEFT_SESSION_INVALID'],
      [await forge({ ...mark, tenant: 'globex' }), 'WEFT_SESSION_FOREIGN'],
      [await forge({ ...mark, workflow: 'other' }), 'WEFT_SESSION_FOREIGN'],
      [await forge({ ...mark, last: 'ab'.repeat(32) }), 'WEFT_SESSION_INVALID'],
      [await forge(mark, -10), 'WEFT_SESSION_EXPIRED'],
      [await forge(mark, 60, 'weft'), 'WEFT_SESSION_INVALID'],
    ]
    await context.reach(await forge(mark))
    for (const [bad, code] of refusals) await expect(context.reach(bad), code).rejects.toMatchObject({ code })
    expect(replica!.online).toBe(true)
  })
})

it('[SES-2] a branch that is not here is not said to be not there before the peer was heard', async () => {
  const harness = await PeerHarness.start()
  const begun = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'a' })
  await begun.fork('side').append('message', { text: 'there' }).committed
  const way = { url: harness.url, token: await harness.token() }
  await harness.stop()
  const replica = await connect({ ...way, offline: true })
  onTestFinished(() => replica.close({ discard: true }))
  const side = { workflow: 'w', agent: 'b', branch: 'side' }
  expect(await rejectionOf(replica.open(Research, { ...side, offline: true }))).toMatchObject({
    code: 'WEFT_NOT_SYNCED',
    details: { workflow: 'w', branch: 'side' },
  })
  const main = await replica.open(Research, { workflow: 'w', agent: 'b', offline: true })
  main.fork('own')
  await replica.open(Research, { ...side, branch: 'own', offline: true })
  await harness.restart()
  expect(textsOf(await replica.open(Research, side))).toEqual(['there'])
})

/** A token as the peer of the harness would sign it. */
async function forge(
  mark: Record<string, unknown>,
  lifetime_s = 60,
  audience = 'weft-session',
): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  return new SignJWT(mark)
    .setProtectedHeader({ alg: 'HS256' })
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + lifetime_s)
    .sign(createHmac('sha256', SECRET).update('weft-session').digest())
}
