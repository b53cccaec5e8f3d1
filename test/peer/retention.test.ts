import { type Json, RETENTION_OVERLAY, type Store, WeftError } from '@weft/core'
import type { PeerOptions, RetentionRun } from '@weft/peer'
import { describe, expect, it, test } from 'vitest'
import { MemoryDisk, MemoryStore } from '../support/memory-store.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { overriding } from '../support/peer-store.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'

/** A peer with a completed workflow, one that was taken up again, and one that is open; nobody has any of them open. */
async function scene(options: Partial<PeerOptions> = {}, disk = new MemoryDisk()) {
  const harness = await PeerHarness.start({ limits: { idle_ms: 600_000 }, ...options }, disk)
  const admin = await harness.replica({ token: await harness.token({ scopes: ['read', 'write', 'admin'] }) })
  const open = (workflow: string) => admin.open(Research, { workflow, agent: 'planner' })
  for (const workflow of ['done', 'again', 'open']) {
    const context = await open(workflow)
    await context.append('message', { text: 'work' }).committed
    if (workflow !== 'open') await context.complete({ reason: 'delivered' }).committed
    if (workflow === 'again') await context.append('message', { text: 'one more thing' }).committed
    await context.close()
  }
  const ask = async (query = '', request = {}) => {
    const token = await harness.token({ scopes: ['admin'], ...request })
    const headers = { authorization: `Bearer ${token}` }
    const { status, text } = await harness.http(`/retention${query}`, { method: 'POST', headers })
    return { status, body: JSON.parse(text) as RetentionRun & { code?: string } }
  }
  const workflows = () =>
    [...harness.disk.tenants.get('acme')!.keys()].filter(id => !id.startsWith('@')).sort()
  const rule = (keep_ms: number | null) => admin.overlays.publish(RETENTION_OVERLAY, { keep_ms })
  return { harness, admin, open, ask, workflows, rule }
}

/** A store that says when all contexts of a tenant have been looked at. */
function tellingOfPlans(store: Store, planned: () => Promise<void>): Store {
  return overriding(store, inner => ({
    async *heads() {
      yield* inner.heads()
      await planned()
    },
  }))
}

const ALL = ['again', 'done', 'open']

describe('[TIR-2] a running peer removes', () => {
  it('what is completed, by the rule of its tenant, and nothing else', async () => {
    const { ask, rule, workflows } = await scene()
    await rule(0)
    const removed = [{ workflow: 'done', changes: 3, agent: 'planner', reason: 'delivered' }]
    const dry = await ask('?dry_run=true')
    expect(dry.body).toMatchObject({ dry_run: true, rule: { keep_ms: 0 }, removed, open: ['again', 'open'] })
    expect(workflows()).toEqual(ALL)
    expect((await ask()).body).toMatchObject({ dry_run: false, removed, kept: [], in_use: [] })
    expect(workflows()).toEqual(['again', 'open'])
    expect((await ask()).body).toMatchObject({ removed: [] })
  })

  it('what it has read of it, too, where nobody has it open any more', async () => {
    const { harness, open, ask, rule } = await scene()
    const large = 50_000
    const written = await open('large')
    await written.append('message', { text: 'x'.repeat(large) }).committed
    await written.complete({ reason: 'delivered' }).committed
    await written.close()
    await rule(0)
    await harness.restart()
    await (await open('large')).close()
    expect(await harness.metric('weft_read_cache_bytes')).toBeGreaterThan(large)
    await until(
      async () => (await ask()).body.removed.some(({ workflow }) => workflow === 'large'),
      'it is removed',
    )
    expect(await harness.metric('weft_read_cache_bytes')).toBeLessThan(large)
  })

  it('nothing while there is no rule, while it is young, or for ever', async () => {
    const { ask, rule, workflows } = await scene()
    expect((await ask()).body).toMatchObject({ rule: null, removed: [] })
    await rule(86_400_000)
    const kept = { workflow: 'done', until: expect.stringMatching(/^\d{4}-/) }
    expect((await ask()).body).toMatchObject({ removed: [], kept: [kept] })
    await rule(null)
    expect((await ask()).body).toMatchObject({ removed: [], kept: [{ workflow: 'done', until: null }] })
    expect(workflows()).toEqual(ALL)
  })

  it('nothing that somebody has open, until it is let go', async () => {
    const { ask, rule, open, workflows, harness } = await scene()
    await rule(0)
    const reader = await open('done')
    expect((await ask()).body).toMatchObject({ removed: [], in_use: ['done'] })
    expect(textsOf(reader)).toEqual(['work'])
    await reader.close()
    await until(async () => (await ask()).body.removed.length === 1, 'it is removed')
    expect(workflows()).toEqual(['again', 'open'])
    expect(await harness.head('done')).toBeUndefined()
  })

  it('a context that is then begun anew, from its first position', async () => {
    const { ask, rule, harness } = await scene()
    await rule(0)
    await ask()
    const other = await harness.replica()
    const context = await other.open(Research, { workflow: 'done', agent: 'a' })
    expect(textsOf(context)).toEqual([])
    await context.append('message', { text: 'new' }).committed
    expect((await harness.log('done')).map(({ position }) => position)).toEqual([1, 2])
  })

  it('nothing where the disk fails, and lives on', async () => {
    const failure = new WeftError('WEFT_STORE_FAILED', 'the disk failed', 'replace the disk')
    const disk = new MemoryDisk()
    const openStore = async () =>
      overriding(new MemoryStore(disk), () => ({ remove: () => Promise.reject(failure) }))
    const { ask, rule, workflows, open } = await scene({ openStore }, disk)
    await rule(0)
    expect(await ask()).toMatchObject({ status: 503, body: { code: 'WEFT_STORE_FAILED' } })
    expect(workflows()).toEqual(ALL)
    expect(textsOf(await open('done'))).toEqual(['work'])
  })

  it('nothing that was written to between the plan and the removal', async () => {
    const disk = new MemoryDisk()
    let planned = async (): Promise<void> => {}
    const openStore = async () => tellingOfPlans(new MemoryStore(disk), () => planned())
    const { ask, rule, open, workflows, harness } = await scene({ openStore, limits: { idle_ms: 1 } }, disk)
    await rule(0)
    planned = async () => {
      const writer = await open('done')
      await writer.append('message', { text: 'late' }).committed
      await writer.close()
      // That of overlays alone stays open: by now nobody has the other.
      await until(async () => (await harness.metric('weft_contexts_open')) === 1, 'it is let go')
    }
    const { body } = await ask()
    expect(body).toMatchObject({ removed: [], in_use: ['done'] })
    expect(workflows()).toEqual(ALL)
    expect((await ask()).body).toMatchObject({ removed: [], open: ['again', 'done', 'open'] })
  })

  it.each([
    ['a token without the scope', '', { scopes: ['read', 'write'] }, 403, 'WEFT_SCOPE'],
    ['a token for some workflows', '', { workflows: 'd*' }, 403, 'WEFT_WORKFLOW_FORBIDDEN'],
    ['a flag that is none', '?dry_run=perhaps', {}, 400, 'WEFT_USAGE'],
  ])('[TEN-1] nothing for %s', async (_, query, request, status, code) => {
    const { ask, rule, workflows } = await scene()
    await rule(0)
    expect(await ask(query, request)).toMatchObject({ status, body: { code } })
    expect((await ask('', { tenant: 'zeta' })).body).toMatchObject({ rule: null, removed: [] })
    expect(workflows()).toEqual(ALL)
  })
})

describe('[TIR-2] the rule', () => {
  test.each<[unknown]>([
    [{ keep_ms: -1 }],
    [{ keep_ms: 0.5 }],
    [{ keep_ms: '30d' }],
    [{}],
    [null],
    ['30d'],
  ])('%j is refused, by its name too', async value => {
    const { admin, harness } = await scene()
    for (const key of [RETENTION_OVERLAY, RETENTION_OVERLAY.name])
      expect((await rejectionOf(admin.overlays.publish(key, value as never))).code).toBe(
        'WEFT_SCHEMA_REFUSED',
      )
    expect(await harness.head('@overlays')).toBeUndefined()
  })

  test('has a history, and is no concern of steps and their windows', async () => {
    const { harness, rule, admin } = await scene()
    await rule(5)
    await admin.overlays.publish(RETENTION_OVERLAY, { keep_ms: 7 }, { reason: 'agreed' })
    const worker = await harness.replica({ overlays: true })
    const context = await worker.open(Research, { workflow: 'w', agent: 'a' })
    const { value, change } = await context.step('speak', step => {
      step.append('message', { text: 'said' })
      return step.window({ budget: 100 }).messages
    })
    expect(value).toEqual([])
    const { header } = context.changes().find(({ id }) => id === change)!
    expect(header.notes.overlays).toEqual({})
    const history = await worker.overlays.history(RETENTION_OVERLAY.name)
    expect(history.map(({ version, enforce, reason }) => [version, enforce, reason])).toEqual([
      [1, 'advisory', undefined],
      [2, 'advisory', 'agreed'],
    ])
  })

  test('[OVL-3] cannot be made to bind steps, which do not name it; nor can another name of the engine’s', async () => {
    const { admin, harness } = await scene()
    const bound = admin.overlays.publish(RETENTION_OVERLAY, { keep_ms: 1 }, { enforce: 'commit' })
    expect((await rejectionOf(bound)).code).toBe('WEFT_OVERLAY_INVALID')
    const other = admin.overlays.publish('weft.other', 1 as Json)
    expect((await rejectionOf(other)).code).toBe('WEFT_OVERLAY_INVALID')
    expect(await harness.head('@overlays')).toBeUndefined()
  })

  test('that cannot be read removes nothing', async () => {
    const { harness, rule, ask, workflows } = await scene()
    await rule(0)
    const log = harness.disk.tenants.get('acme')!.get('@overlays')!
    log.head = { ...log.head, count: 2 }
    expect((await ask()).status).toBe(500)
    expect(workflows()).toEqual(ALL)
  })
})
