import { ANY_CONTEXT, defineContext, schemaless } from '@weft/core'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { PeerHarness } from '../support/peer-harness.ts'
import { Research } from '../support/replica-contexts.ts'

async function scene() {
  const harness = await PeerHarness.start()
  const replica = await harness.replica()
  const context = await replica.open(Research, { workflow: 'w', agent: 'planner' })
  await context.append('message', { text: 'one' }).committed
  return { harness, replica, context }
}

describe('a proposal that says what its author has seen', () => {
  it('[STP-1] depends on that alone: what has come since is concurrent to it', async () => {
    const { context } = await scene()
    const { heads } = context
    await context.change(state => {
      state.constraints.format = 'text'
    }).committed
    const accepted = await context.propose(
      draft =>
        draft.change(state => {
          state.constraints.format = 'json'
        }),
      { seen: heads },
    )
    expect(context.conflicts()).toMatchObject([{ pointer: '/constraints/format' }])
    const [record] = [...context.audit()].filter(({ change }) => change === accepted!.change)
    expect(record!.deps).toEqual(heads)
  })

  it('[STL-3] has stale reads when what it read was written beside it', async () => {
    const { context } = await scene()
    const { heads } = context
    await context.change(state => {
      state.constraints.format = 'text'
    }).committed
    const accepted = await context.propose(
      draft => draft.append('decision', { choice: 'a' }).dependsOn('state:/constraints/format'),
      { seen: heads },
    )
    expect(context.why(accepted!.entries[0]!)).toMatchObject({ stale: { causes: [{ kind: 'stale-read' }] } })
  })

  it('is refused for changes that the branch does not show, and nothing is written', async () => {
    const { harness, context } = await scene()
    const aside = context.fork('aside')
    await aside.append('message', { text: 'elsewhere' }).committed
    const before = await harness.ids()
    const propose = (seen: readonly string[]) =>
      context.propose(draft => draft.append('message', { text: 'x' }), { seen })
    for (const seen of [aside.heads, ['0'.repeat(64)], ['no id']]) {
      await expect(propose(seen)).rejects.toMatchObject({ code: 'WEFT_CHANGE_UNKNOWN' })
    }
    expect(await harness.ids()).toEqual(before)
  })

  it('[HND-2] is refused when a branch was migrated since', async () => {
    const { harness, context } = await scene()
    const { heads } = context
    const Next = defineContext({
      name: 'research',
      version: 2,
      entries: { message: z.object({ text: z.string() }) },
      migrations: { 2: old => old },
    })
    const newer = await (await harness.replica()).open(Next, { workflow: 'w', agent: 'newer' })
    await newer.flush()
    const before = await harness.ids()
    const late = newer.propose(draft => draft.append('message', { text: 'x' }), { seen: heads })
    await expect(late).rejects.toMatchObject({ code: 'WEFT_SCHEMA_UNKNOWN', details: { version: 1 } })
    expect(await harness.ids()).toEqual(before)
  })

  it('[STP-2] names the step, its trace and the reason', async () => {
    const { context } = await scene()
    const labels = { step: 'choose', trace: '00-1-2-01', reason: 'because' }
    const accepted = await context.propose(draft => draft.append('decision', { choice: 'a' }), labels)
    const change = context.changes().find(({ id }) => id === accepted!.change)
    expect(change!.header.notes).toMatchObject(labels)
    const long = context.propose(draft => draft.append('decision', { choice: 'a' }), {
      step: 'x'.repeat(1_025),
    })
    await expect(long).rejects.toMatchObject({ code: 'WEFT_LABEL_INVALID' })
  })

  it('[OVL-3] is refused under an older overlay than the one in force', async () => {
    const { harness, context } = await scene()
    const admin = await harness.replica({
      token: await harness.token({ scopes: ['read', 'write', 'admin'] }),
    })
    await admin.overlays.publish('house', { tone: 'warm' })
    const propose = (overlays: Record<string, number>) =>
      context.propose(draft => draft.append('decision', { choice: 'a' }), { overlays })
    await propose({ house: 1 })
    await admin.overlays.publish('house', { tone: 'plain' })
    const before = await harness.ids()
    for (const overlays of [{ house: 1 }, {}]) {
      await expect(propose(overlays)).rejects.toMatchObject({
        code: 'WEFT_OVERLAY_STALE',
        details: { overlays: [{ name: 'house', required: 2 }] },
      })
    }
    expect(await harness.ids()).toEqual(before)
    await propose({ house: 2 })
  })
})

describe('[HND-2] a definition without schemas', () => {
  it('writes any kind of entry and any state to a branch of its name and version', async () => {
    const { harness, context } = await scene()
    const open = await (await harness.replica()).open(schemaless('research', 1), {
      workflow: 'w',
      agent: 'a',
    })
    await open.append('anything', { deep: [1, null] }).committed
    await open.change(state => ({ ...state, free: true })).committed
    await context.until(() => 'free' in context.state && context.entries().length === 2)
    expect(context.state).toMatchObject({ free: true, plan: ['begin'] })
    expect(() => open.append('weft.effect', {})).toThrow(expect.objectContaining({ code: 'WEFT_ID_INVALID' }))
    expect(() => open.append('no kind', {})).toThrow(expect.objectContaining({ code: 'WEFT_ID_INVALID' }))
    expect(() => open.append('date', new Date())).toThrow(
      expect.objectContaining({ code: 'WEFT_VALUE_NOT_JSON' }),
    )
  })

  it.each([
    ['research', 2],
    ['other', 1],
  ])('is refused as %s@%i, and writes nothing', async (name, version) => {
    const { harness } = await scene()
    const before = await harness.ids()
    const opening = (await harness.replica()).open(schemaless(name, version), { workflow: 'w', agent: 'a' })
    await expect(opening).rejects.toMatchObject({ code: 'WEFT_SCHEMA_UNKNOWN' })
    expect(await harness.ids()).toEqual(before)
  })

  it.each([
    ['no name', 1, 'WEFT_ID_INVALID'],
    ['*', 0, 'WEFT_ID_INVALID'],
    ['research', 0, 'WEFT_SCHEMA_REFUSED'],
    ['research', 1.5, 'WEFT_SCHEMA_REFUSED'],
  ])('cannot be called %s@%d', (name, version, code) => {
    expect(() => schemaless(name, version)).toThrow(expect.objectContaining({ code }))
  })

  it('shows an older branch without migrating it, when that is asked for', async () => {
    const { harness } = await scene()
    const Next = defineContext({
      name: 'research',
      version: 2,
      entries: {},
      migrations: { 2: old => ({ ...old, added: true }) },
    })
    const before = await harness.ids()
    const reader = await (await harness.replica()).open(Next, { workflow: 'w', agent: 'a', migrate: false })
    expect(reader.state).toMatchObject({ added: true })
    await reader.flush()
    expect(await harness.ids()).toEqual(before)
  })
})

describe('a branch as it was', () => {
  it('[WIN-4] is flattened for a model as it was then', async () => {
    const { context } = await scene()
    const { position, heads } = context
    const then = context.window({ budget: 1_000 })
    await context.append('message', { text: 'two' }).committed
    expect(context.window({ budget: 1_000, at: position }).text).toBe(then.text)
    expect(context.window({ budget: 1_000, at: heads }).digest).toBe(then.digest)
    expect(context.window({ budget: 1_000 }).text).not.toBe(then.text)
    expect(() => context.window({ budget: 1_000, at: 99 })).toThrow(
      expect.objectContaining({ code: 'WEFT_POSITION_UNKNOWN' }),
    )
  })

  it('[MRG-2] tells the conflicts that were open', async () => {
    const { context } = await scene()
    const merged = await context.fanOut(['left', 'right'], branch => {
      branch.change(state => {
        state.constraints.by = branch.branch
      })
    })
    await merged.receipt.committed
    const { position } = context
    const open = context.conflicts()
    expect(open).toHaveLength(1)
    await context.resolve('/constraints/by', 'left').committed
    expect(context.conflicts()).toEqual([])
    expect(context.at(position).conflicts()).toEqual(open)
  })

  it('is told of any kind by who knows no definition', async () => {
    const { replica, context } = await scene()
    await context.flush()
    const any = await replica.open(ANY_CONTEXT, { workflow: 'w', agent: 'a' })
    expect(any.window({ budget: 1_000, pin: { kinds: ['message', 'nothing'] } }).included).toHaveLength(1)
    expect(() => any.append('message' as never, {} as never)).toThrow(
      expect.objectContaining({ code: 'WEFT_SCHEMA_UNKNOWN' }),
    )
  })
})
