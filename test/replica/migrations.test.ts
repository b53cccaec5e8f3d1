import { ANY_CONTEXT, defineContext, type Replica } from '@weft/replica'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { PeerHarness } from '../support/peer-harness.ts'
import { gateOf, until } from '../support/peer-until.ts'

const V1 = defineContext({
  name: 'report',
  version: 1,
  state: z.object({ title: z.string(), count: z.number() }),
  initial: { title: 'draft', count: 0 },
  entries: { note: z.string() },
})
const V2 = defineContext({
  name: 'report',
  version: 2,
  state: z.object({ name: z.string(), count: z.number() }),
  initial: { name: 'draft', count: 0 },
  entries: { note: z.string() },
  migrations: { 2: ({ title, ...old }) => ({ ...old, name: title! }) },
})
const Broken = defineContext({
  name: 'report',
  version: 2,
  entries: {},
  migrations: {
    2: () => {
      throw new Error('no such field')
    },
  },
})

const first = (replica: Replica, branch = 'main') =>
  replica.open(V1, { workflow: 'w', agent: 'old', branch, timeout_ms: 5_000 })
const second = (replica: Replica, branch = 'main') =>
  replica.open(V2, { workflow: 'w', agent: 'new', branch, timeout_ms: 5_000 })

const unknown = expect.objectContaining({ code: 'WEFT_SCHEMA_UNKNOWN' })

/** A peer with a context that a worker of version 1 has written, and that worker's handle. */
async function written() {
  const harness = await PeerHarness.start()
  const replica = await harness.replica()
  const old = await first(replica)
  await old.change(state => {
    state.title = 'written'
  }).committed
  return { harness, replica, old }
}

describe('opening an older context', () => {
  it('[HND-2] migrates it for a worker that may write; looking back shows it as it was', async () => {
    const { harness, old } = await written()
    const before = old.position
    const context = await second(await harness.replica())
    expect(context.state).toEqual({ name: 'written', count: 0 })
    await context.flush()
    expect(await harness.ids()).toHaveLength(before + 1)
    expect(context.at(before).state).toEqual({ title: 'written', count: 0 })
    const [record] = context.audit({ pointer: '/name' })
    expect(record).toMatchObject({ agent: 'weft', reason: 'from version 1 to 2' })
    await context.change(state => void state.count++).committed
    expect(context.state).toEqual({ name: 'written', count: 1 })
  })

  it('[HND-2] workers that open it at once write one and the same change', async () => {
    const { harness, old } = await written()
    const before = old.position
    const replicas = await Promise.all([harness.replica(), harness.replica(), harness.replica()])
    const contexts = await Promise.all(replicas.map(replica => second(replica)))
    for (const context of contexts) await context.flush()
    expect(await harness.ids()).toHaveLength(before + 1)
    expect(new Set(contexts.map(context => context.digest())).size).toBe(1)
  })

  it('[HND-2] shows it migrated to whoever may only read, and writes nothing', async () => {
    const { harness, old } = await written()
    const token = await harness.token({ scopes: ['read'] })
    const context = await second(await harness.replica({ token }))
    expect(context.state).toEqual({ name: 'written', count: 0 })
    expect(context.state).toBe(context.state)
    old.append('note', 'still here')
    await old.flush()
    await context.until(() => context.entries().length === 1)
    expect(context.state).toEqual({ name: 'written', count: 0 })
    expect(context.digest()).toBe(old.digest())
  })

  it('[HND-2] [SES-2] offline it is migrated by the first write, as far as it is known, and the rest when it comes', async () => {
    const { harness, old } = await written()
    const replica = await harness.replica()
    await replica.open(ANY_CONTEXT, { workflow: 'w', agent: 'tool' })
    await harness.stop()
    const context = await replica.open(V2, { workflow: 'w', agent: 'new', offline: true })
    expect(context.state).toEqual({ name: 'written', count: 0 })
    expect(replica.unacknowledged).toEqual([])
    old.change(state => {
      state.title = 'late'
    })
    context.change(state => {
      state.count = 7
    })
    expect(replica.unacknowledged[0]!.changes).toHaveLength(2)
    await harness.restart()
    await context.until(() => [...context.audit({ agent: 'old' })].length === 2)
    await context.change(state => void state.count++).committed
    expect(context.state).toEqual({ name: 'late', count: 8 })
    expect(context.conflicts()).toEqual([])
  })

  it('[HND-2] shows what an older worker wrote beside the migration to whoever opens it, and writes that', async () => {
    const { harness } = await written()
    const gate = gateOf()
    const late = await harness.replica({
      offline: true,
      token: async () => {
        await gate.opened
        return harness.token()
      },
    })
    const older = await late.open(V1, { workflow: 'w', agent: 'late', offline: true })
    // The last of more than one wins over what was written beside it.
    for (const title of ['early', 'late']) {
      older.change(state => {
        state.title = title
      })
    }
    const newer = await second(await harness.replica())
    await newer.flush()
    const { length } = await harness.ids()
    gate.open()
    await until(async () => (await harness.ids()).length > length, 'what was written late is there')
    const context = await second(await harness.replica())
    expect(context.state).toEqual({ name: 'late', count: 0 })
    await context.flush()
    await newer.until(() => newer.state.name === 'late')
  })

  it('[HND-2] a migration that fails rejects, has written nothing, and leaves the replica alive', async () => {
    const { harness, old } = await written()
    const replica = await harness.replica()
    const opening = replica.open(Broken, { workflow: 'w', agent: 'new' })
    await expect(opening).rejects.toMatchObject({
      code: 'WEFT_MIGRATION_FAILED',
      details: { name: 'report', version: 2 },
      cause: expect.objectContaining({ message: 'no such field' }),
    })
    expect(replica.unacknowledged).toEqual([])
    expect(old.state).toEqual({ title: 'written', count: 0 })
    expect((await second(replica)).state).toEqual({ name: 'written', count: 0 })
  })
})

describe('what a worker does not know', () => {
  it('[HND-2] a newer version and another name are refused at opening, both named', async () => {
    const { harness } = await written()
    const replica = await harness.replica()
    await second(replica)
    await expect(first(replica)).rejects.toMatchObject({
      code: 'WEFT_SCHEMA_UNKNOWN',
      message: expect.stringContaining('"report" version 2'),
      details: { name: 'report', version: 2, known: { name: 'report', version: 1 } },
    })
    const Other = defineContext({ name: 'other', version: 1, entries: {} })
    await expect(replica.open(Other, { workflow: 'w', agent: 'x' })).rejects.toEqual(unknown)
    expect((await replica.open(Other, { workflow: 'w2', agent: 'x' })).state).toEqual({})
  })

  it('[HND-2] a context of entries alone names its schema too', async () => {
    const harness = await PeerHarness.start()
    const Log = defineContext({ name: 'log', version: 1, entries: { note: z.string() } })
    const log = await (await harness.replica()).open(Log, { workflow: 'w', agent: 'a' })
    await log.append('note', 'x').committed
    await expect(second(await harness.replica())).rejects.toMatchObject({
      details: { name: 'log', version: 1 },
    })
  })

  it('[HND-2] a handle stops reading and writing when a newer worker has migrated under it, and can be closed', async () => {
    const { harness, old } = await written()
    const waiting = old.until(() => old.state.title === 'never')
    const stale = (async () => {
      for await (const each of old.invalidations()) expect(each).toBeUndefined()
    })()
    let snapshot: unknown
    const step = old.step('slow', async step => {
      step.append('note', 'lost')
      const newer = await second(await harness.replica())
      await newer.flush()
      await expect(old.until(() => old.heads.length === 0)).rejects.toEqual(unknown)
      snapshot = step.state.title
    })
    for (const refused of [waiting, stale, step]) await expect(refused).rejects.toEqual(unknown)
    expect(snapshot).toBe('written')
    for (const use of [
      () => old.state,
      () => old.entries(),
      () => old.digest(),
      () => old.append('note', 'x'),
      () => old.change(state => void state.count++),
      () => old.merge('main'),
      () => old.at(1),
    ])
      expect(use).toThrowError(unknown)
    await old.close()
    const last = await second(await harness.replica())
    expect(last.entries()).toEqual([])
  })

  it('[HND-2] a tool reads and carries any context as ANY_CONTEXT, and writes nothing of its own', async () => {
    const { harness, old } = await written()
    const context = await (await harness.replica()).open(ANY_CONTEXT, { workflow: 'w', agent: 'tool' })
    expect(context.state).toEqual({ title: 'written', count: 0 })
    expect(context.digest()).toBe(old.digest())
    expect(() => context.change(state => ({ ...state, more: 1 }))).toThrowError(unknown)
    expect(() => context.touch('ext:x')).toThrowError(unknown)
    expect(() => context.fork('side')).toThrowError(unknown)
    expect(() => context.merge('main')).toThrowError(unknown)
    expect(() => context.resolve('/count', 1)).toThrowError(unknown)
    expect(() => context.revert({ change: context.heads[0]! })).toThrowError(unknown)
    await expect(context.step('x', () => {})).rejects.toEqual(unknown)
    expect(context.digest()).toBe(old.digest())
    const copy = await (await harness.replica()).open(ANY_CONTEXT, { workflow: 'copy', agent: 'tool' })
    expect(copy.adopt(context.changes().map(({ bytes }) => bytes))).toBe(context.changes().length)
    await copy.flush()
    expect(copy.digest()).toBe(old.digest())
  })
})

describe('branches of different versions', () => {
  it('[HND-2] a branch that is merged is migrated first; one that is newer is refused', async () => {
    const { harness, replica, old } = await written()
    const side = old.fork('side')
    side.change(state => void state.count++)
    await old.flush()
    const context = await second(await harness.replica())
    context.merge('side')
    expect(context.state).toEqual({ name: 'written', count: 1 })
    expect(context.conflicts()).toEqual([])
    await context.flush()
    const branches = await first(await harness.replica(), 'side').catch(error => error)
    expect(branches).toEqual(unknown)
    expect(replica.online).toBe(true)
  })

  it('[HND-2] what is forked from before the migration is shown, and written, as migrated', async () => {
    const { harness, old } = await written()
    const before = old.position
    const context = await second(await harness.replica())
    const again = context.fork('again', { at: before })
    expect(again.state).toEqual({ name: 'written', count: 0 })
    again.change(state => void state.count++)
    expect(again.state).toEqual({ name: 'written', count: 1 })
    context.merge('again')
    expect(context.state).toEqual({ name: 'written', count: 1 })
    expect(context.conflicts()).toEqual([])
  })
})
