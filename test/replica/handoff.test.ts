import { createHmac } from 'node:crypto'
import { type Handoff, readHandoff, sealHandoff } from '@weft/core'
import type { PeerLimits } from '@weft/peer'
import { defineContext } from '@weft/replica'
import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { refusal } from '../support/core-forge.ts'
import { sha256 } from '../support/core-property.ts'
import { PeerHarness, SECRET } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'

const Later = defineContext({
  name: 'research',
  version: 2,
  state: z.object({
    plan: z.array(z.string()),
    constraints: z.record(z.string(), z.any()),
    title: z.string(),
  }),
  entries: { message: z.object({ text: z.string() }) },
  initial: { plan: [], constraints: {}, title: 'none' },
  migrations: { 2: old => ({ ...old, title: 'none' }) },
})

async function scene(limits: Partial<PeerLimits> = {}) {
  const harness = await PeerHarness.start({ limits })
  const [from, to] = [await harness.replica(), await harness.replica()]
  const context = await from.open(Research, { workflow: 'w', agent: 'planner' })
  return { harness, from, to, context }
}

/** As an honest worker would have sealed it, with something else inside. */
function altered(handoff: Handoff, lie: Partial<Handoff>): Handoff {
  const { weft: _, version: __, checksum: ___, ...fields } = handoff
  return sealHandoff({ ...fields, ...lie }, sha256)
}

async function session(mark: Record<string, unknown>, lifetime_s = 60): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  return new SignJWT(mark)
    .setProtectedHeader({ alg: 'HS256' })
    .setAudience('weft-session')
    .setIssuedAt(now)
    .setExpirationTime(now + lifetime_s)
    .sign(createHmac('sha256', SECRET).update('weft-session').digest())
}

describe('[HND-1] a handoff', () => {
  it('carries over all that its worker had written and seen, as plain JSON, to another process’s replica', async () => {
    const { context, to } = await scene()
    const other = await to.open(Research, { workflow: 'w', agent: 'other' })
    await other.append('message', { text: 'seen' }).committed
    await context.until(() => textsOf(context).length === 1)
    for (let i = 0; i < 30; i++) context.append('message', { text: `${i}` })
    const handoff = await context.handoff({ carry: { draft: 'so far', at: [1, 2] } })
    expect(handoff.address).toBe(`acme:w:planner:${context.position}`)
    expect(handoff).toMatchObject({ branch: 'main', schema: { name: 'research', version: 1 }, epoch: null })
    const sent = JSON.parse(JSON.stringify(handoff)) as Handoff
    const resumed = await to.resume(Research, sent)
    expect(textsOf(resumed.context)).toEqual(textsOf(context))
    expect(resumed.context.agent).toBe('planner')
    expect(resumed.carried).toEqual({ draft: 'so far', at: [1, 2] })
    const asText = await to.resume(Research, JSON.stringify(handoff), { agent: 'next' })
    expect(asText.context.agent).toBe('next')
    expect(asText.context.heads).toEqual(handoff.heads)
  })

  it('[SES-2] shows nothing before all of it is there, and fails with what is missing when it does not come', async () => {
    const { context, to } = await scene()
    await context.append('message', { text: 'one' }).committed
    const handoff = await context.handoff()
    const ahead = altered(handoff, {
      session: await session({ tenant: 'acme', workflow: 'w', position: 99, last: 'ab'.repeat(32) }),
    })
    await expect(to.resume(Research, ahead, { timeout_ms: 100 })).rejects.toMatchObject({
      code: 'WEFT_NOT_SYNCED',
      details: { missing: { from: 3, to: 99 } },
    })
  })

  it('continues a branch, and what was handed over there', async () => {
    const { context, to } = await scene()
    const branch = context.fork('attempt')
    branch.append('message', { text: 'half' })
    const { context: next } = await to.resume(Research, await branch.handoff())
    expect(next.branch).toBe('attempt')
    await next.append('message', { text: 'whole' }).committed
    await branch.until(() => textsOf(branch).length === 2)
  })

  it('[HND-3] gives its lease back, so that the next one has it at once; the one who handed over is out', async () => {
    const { context, to } = await scene()
    const lease = await context.lease({ ttl_ms: 60_000 })
    context.append('message', { text: 'mine' })
    const handoff = await context.handoff()
    expect(handoff.epoch).toBe(lease.epoch)
    const { context: next } = await to.resume(Research, handoff, {
      lease: { ttl_ms: 60_000 },
      timeout_ms: 2_000,
    })
    await next.append('message', { text: 'mine now' }).committed
    await expect(context.append('message', { text: 'still' }).committed).rejects.toMatchObject({
      code: 'WEFT_LEASE_HELD',
    })
    expect(textsOf(next)).toEqual(['mine', 'mine now'])
  })

  it.each([
    ['in the same turn', false],
    ['while the lease is given back', true],
  ])('can be resumed whatever else is written beside it, %s', async (_, leased) => {
    const { context, from, to } = await scene()
    const beside = await from.open(Research, { workflow: 'w', agent: 'beside' })
    await context.append('message', { text: 'mine' }).committed
    let written: Promise<unknown> | undefined
    const write = (): void => {
      written = beside.append('message', { text: 'beside' }).committed
    }
    const lease = leased ? await context.lease({ ttl_ms: 60_000 }) : undefined
    lease?.signal.addEventListener('abort', write)
    const handingOver = context.handoff()
    if (!leased) write()
    const handoff = await handingOver
    // Who writes to a branch that another one has leased is refused, as it would be on another replica.
    await (leased ? expect(written).rejects.toMatchObject({ code: 'WEFT_LEASE_HELD' }) : written)
    const { context: next } = await to.resume(Research, handoff, { lease: true, timeout_ms: 2_000 })
    expect(textsOf(next)).toContain('mine')
    expect(textsOf(next.at(handoff.heads))).toEqual(['mine'])
  })

  it('[OVL-2] names the overlays in force, and is taken by who goes by these or later ones, and by nobody else', async () => {
    const harness = await PeerHarness.start()
    const admin = await harness.replica({
      token: await harness.token({ scopes: ['read', 'write', 'admin'] }),
    })
    await admin.overlays.publish('house', { prompt: 'be brief' })
    const [from, to] = [await harness.replica({ overlays: true }), await harness.replica({ overlays: true })]
    const context = await from.open(Research, { workflow: 'w', agent: 'planner' })
    await context.append('message', { text: 'one' }).committed
    const handoff = await context.handoff()
    expect(handoff.overlays).toEqual({ house: 1 })
    await admin.overlays.publish('house', { prompt: 'be briefer' })
    expect(textsOf((await to.resume(Research, handoff)).context)).toEqual(['one'])
    const refused = { code: 'WEFT_OVERLAY_UNKNOWN', details: { name: 'house', version: 1 } }
    await expect((await harness.replica()).resume(Research, handoff)).rejects.toMatchObject(refused)
    const ahead = altered(handoff, { overlays: { house: 9 } })
    await expect(to.resume(Research, ahead)).rejects.toMatchObject({ code: 'WEFT_OVERLAY_UNKNOWN' })
  })

  it.each<[string, (handoff: Handoff) => unknown, string]>([
    [
      'does not say what overlays were in force',
      ({ overlays: _, ...rest }) => altered(rest as Handoff, {}),
      'WEFT_HANDOFF_INVALID',
    ],
    [
      'has overlays that are none',
      handoff => altered(handoff, { overlays: { house: 0 } }),
      'WEFT_HANDOFF_INVALID',
    ],
    ['is no handoff', () => ({ weft: 'export' }), 'WEFT_HANDOFF_INVALID'],
    ['is no JSON', () => '{"weft":', 'WEFT_HANDOFF_INVALID'],
    ['is of a later version', handoff => ({ ...handoff, version: 2 }), 'WEFT_HANDOFF_INVALID'],
    ['was altered', handoff => ({ ...handoff, branch: 'other' }), 'WEFT_HANDOFF_INVALID'],
    ['lacks its checksum', ({ checksum: _, ...rest }) => rest, 'WEFT_HANDOFF_INVALID'],
    [
      'carries nothing, not even null',
      ({ carried: _, ...rest }) => altered(rest as Handoff, {}),
      'WEFT_HANDOFF_INVALID',
    ],
    ['has no address', handoff => altered(handoff, { address: 'acme/w' }), 'WEFT_HANDOFF_INVALID'],
    ['has heads that are none', handoff => altered(handoff, { heads: ['x'] }), 'WEFT_HANDOFF_INVALID'],
    [
      'has heads that nobody wrote',
      handoff => altered(handoff, { heads: ['ab'.repeat(32)] }),
      'WEFT_HANDOFF_INVALID',
    ],
    [
      'says that it is older than its heads',
      handoff => altered(handoff, { address: 'acme:w:planner:1' }),
      'WEFT_HANDOFF_INVALID',
    ],
    [
      'is of another tenant',
      handoff => altered(handoff, { address: 'globex:w:planner:2' }),
      'WEFT_HANDOFF_FOREIGN',
    ],
    [
      'is of another workflow than its session',
      handoff => altered(handoff, { address: 'acme:v:planner:2' }),
      'WEFT_SESSION_FOREIGN',
    ],
    [
      'has a session that nobody signed',
      handoff => altered(handoff, { session: 'x.y.z' }),
      'WEFT_SESSION_INVALID',
    ],
    [
      'is of another schema',
      handoff => altered(handoff, { schema: { name: 'billing', version: 1 } }),
      'WEFT_SCHEMA_UNKNOWN',
    ],
    [
      'is of a newer schema',
      handoff => altered(handoff, { schema: { name: 'research', version: 2 } }),
      'WEFT_SCHEMA_UNKNOWN',
    ],
  ])('[HND-2] [SES-3] that %s is refused by its code, and opens nothing', async (_, lie, code) => {
    const { context, to } = await scene()
    await context.append('message', { text: 'one' }).committed
    const handoff = lie(await context.handoff()) as Handoff
    await expect(to.resume(Research, handoff, { timeout_ms: 2_000 })).rejects.toMatchObject({ code })
    expect(to.online).toBe(true)
    expect(context.digest()).toBe((await to.open(Research, { workflow: 'w', agent: 'r' })).digest())
  })

  it('[HND-2] that is refused has migrated nothing, and the one who handed over can go on', async () => {
    const { context, harness, to } = await scene()
    await context.append('message', { text: 'one' }).committed
    const handoff = await context.handoff()
    const log = await harness.ids()
    const lies = [{ heads: ['ab'.repeat(32)] }, { overlays: { house: 1 } }]
    for (const lie of lies)
      await expect(to.resume(Later, altered(handoff, lie))).rejects.toThrow(/head|overlay/)
    await to.flush()
    expect(await harness.ids()).toEqual(log)
    await context.append('message', { text: 'two' }).committed
    const { context: next } = await to.resume(Later, handoff)
    expect(next.state).toEqual({ ...Research.initial, title: 'none' })
    await next.flush()
    expect(await harness.ids()).toHaveLength(log.length + 2)
  })

  it('that is refused leaves nothing open, whatever else is being written there', async () => {
    const { context, harness, to } = await scene({ idle_ms: 50 })
    await context.append('message', { text: 'one' }).committed
    const handoff = await context.handoff()
    await context.close()
    const beside = await to.open(Research, { workflow: 'w', agent: 'beside' })
    const release = harness.gate.hold()
    const { committed } = beside.append('message', { text: 'two' })
    await expect(to.resume(Research, altered(handoff, { heads: ['ab'.repeat(32)] }))).rejects.toThrow('head')
    release()
    await committed
    await beside.close()
    await until(async () => (await harness.metric('weft_contexts_open')) === 0, 'nobody has it open')
  })

  it('[SES-3] whose session has expired is refused', async () => {
    const { context, to } = await scene()
    const { change, committed } = context.append('message', { text: 'one' })
    const mark = { tenant: 'acme', workflow: 'w', position: await committed, last: change }
    const late = altered(await context.handoff(), { session: await session(mark, -10) })
    await expect(to.resume(Research, late)).rejects.toMatchObject({ code: 'WEFT_SESSION_EXPIRED' })
  })

  it('[HND-2] of an older schema is taken by a worker that knows a newer one, and not the reverse', async () => {
    const { context, to } = await scene()
    await context.append('message', { text: 'one' }).committed
    const handoff = await context.handoff()
    const Other = defineContext({ name: 'billing', version: 9, entries: {} })
    await expect(to.resume(Other, handoff)).rejects.toMatchObject({
      code: 'WEFT_SCHEMA_UNKNOWN',
      message: expect.stringContaining('research@1'),
    })
  })

  it('is read whole before anything of it is used', () => {
    expect(refusal(() => readHandoff(null, sha256)).cure).toContain('handoff()')
    expect(refusal(() => readHandoff({ weft: 'handoff', version: 1, checksum: 7 }, sha256)).code).toBe(
      'WEFT_HANDOFF_INVALID',
    )
  })
})
