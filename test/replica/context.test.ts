import { ANY_CONTEXT, type Conflict, defineContext } from '@weft/replica'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { codeOf, refusal } from '../support/core-forge.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf } from '../support/peer-until.ts'
import { offline, openOffline, type Opened, Research, textsOf } from '../support/replica-contexts.ts'

describe('writing', () => {
  test('is visible at once, and is one change for each call', async () => {
    const context = await openOffline()
    const receipt = context.append('message', { text: 'hello' }, { reason: 'politeness' })
    expect(textsOf(context)).toEqual(['hello'])
    expect(context.entries()[0]).toMatchObject({
      kind: 'message',
      branch: 'main',
      agent: 'planner',
      tier: 'durable',
    })
    expect(receipt.entries).toEqual([context.entries()[0]!.id])
    expect(receipt.entries[0]).toBe(`${receipt.change}.0`)
    context.change(state => {
      state.plan.push('end')
      state.constraints.format = 'json'
    })
    expect(context.state).toEqual({ plan: ['begin', 'end'], constraints: { format: 'json' } })
    // The initial state, the message, the change of the state.
    expect(context.changes()).toHaveLength(3)
    expect([...context.audit()].map(record => record.reason)).toEqual([undefined, 'politeness', undefined])
  })

  test('several things at once are one atomic change', async () => {
    const context = await openOffline()
    const { entries } = context.write(draft => {
      draft
        .append('message', { text: 'one' })
        .append('decision', { choice: 'x' }, { dependsOn: ['ext:doc/17@v3'] })
      draft.change(state => void state.plan.push('a')).change(state => void state.plan.push('b'))
    })
    expect(entries).toHaveLength(2)
    expect(context.state.plan).toEqual(['begin', 'a', 'b'])
    const record = [...context.audit({ kind: 'decision' })][0]!
    expect(record.pointers.some(pointer => pointer.startsWith('/plan'))).toBe(true)
    expect(record.reads).toMatchObject([{ entry: 1 }])
    expect(context.changes()).toHaveLength(2)
  })

  test('what comes out of the schema is what is written: defaults are in it', async () => {
    const context = await openOffline()
    context.append('decision', { choice: 'x' })
    expect(context.entries()[0]!.value).toEqual({ choice: 'x', weight: 1 })
  })

  test('a change that changes nothing writes nothing, and is settled', async () => {
    const context = await openOffline()
    context.append('message', { text: 'a' })
    const before = context.digest()
    const receipt = context.change(() => {})
    expect(receipt.change).toBeUndefined()
    expect(await receipt.committed).toBe(context.position)
    expect(context.digest()).toBe(before)
  })

  test.each<[string, string, (context: Opened) => unknown]>([
    ['WEFT_SCHEMA_REFUSED', 'an entry', context => context.append('message', { text: '' })],
    [
      'WEFT_SCHEMA_REFUSED',
      'an entry of the wrong type',
      context => context.append('message', { text: 1 } as never),
    ],
    ['WEFT_KIND_UNKNOWN', 'a kind', context => context.append('thought' as never, { text: 'a' } as never)],
    [
      'WEFT_KIND_UNKNOWN',
      'a kind that every object has',
      context => context.append('toString' as never, {} as never),
    ],
    ['WEFT_SCHEMA_REFUSED', 'a state', context => context.change(() => ({ plan: 'no' }) as never)],
    [
      'WEFT_SCHEMA_REFUSED',
      'a draft',
      context =>
        context.change(state => {
          state.plan = 1 as never
        }),
    ],
    [
      'WEFT_SCHEMA_REFUSED',
      'a part of several',
      context =>
        context.write(
          draft => void draft.change(state => void state.plan.push('x')).append('message', { text: '' }),
        ),
    ],
    [
      'WEFT_CHANGE_TOO_LARGE',
      'a change above the limit',
      context => context.append('message', { text: 'x'.repeat(1_000_001) }),
    ],
    ['WEFT_BRANCH_UNKNOWN', 'a merge of nothing known', context => context.merge('nowhere')],
    ['WEFT_BRANCH_EXISTS', 'a fork of a name in use', context => context.fork('main')],
    ['WEFT_ID_INVALID', 'a fork of the engine’s own branch', context => context.fork('weft.erasures')],
    ['WEFT_ID_INVALID', 'a fork of a name that is none', context => context.fork('a/b')],
    ['WEFT_POINTER_INVALID', 'a pointer that is none', context => context.resolve('plan', 1)],
    ['WEFT_POINTER_INVALID', 'a pointer into nothing', context => context.resolve('/a/b/c', 1)],
    [
      'WEFT_POINTER_INVALID',
      'a pointer into what every object has',
      context => context.resolve('/__proto__/polluted', 1),
    ],
    [
      'WEFT_POINTER_INVALID',
      'a pointer to a prototype',
      context => context.resolve('/constraints/__proto__', { polluted: 1 }),
    ],
    ['WEFT_POSITION_UNKNOWN', 'a position that is not known', context => context.at(7)],
    ['WEFT_CHANGE_UNKNOWN', 'heads that are not here', context => context.at(['ab'.repeat(32)])],
    [
      'WEFT_CHANGE_UNKNOWN',
      'the report of what is no merge',
      context => context.mergeReport(context.heads[0]!),
    ],
  ])('%s: %s is refused, and nothing is written', async (code, _, act) => {
    const context = await openOffline()
    context.append('message', { text: 'before' })
    const before = context.digest()
    const error = refusal(() => act(context))
    expect(error.code).toBe(code)
    expect(error.cure).not.toBe('')
    expect({}).not.toHaveProperty('polluted')
    expect(context.digest()).toBe(before)
    context.append('message', { text: 'after' })
    expect(textsOf(context)).toEqual(['before', 'after'])
  })

  test.each<[string, string, (context: Opened) => unknown]>([
    ['WEFT_BRANCH_UNKNOWN', 'a merge of nothing known', context => context.merge('nowhere')],
    ['WEFT_BRANCH_EXISTS', 'a fork of a name in use', context => context.fork('main')],
    ['WEFT_ID_INVALID', 'a fork of a name that is none', context => context.fork('a/b')],
    ['WEFT_ID_INVALID', 'one at other heads', context => context.fork('a/b', { at: [] })],
  ])('%s: %s does not begin a context either', async (code, _, act) => {
    const context = await openOffline()
    expect(codeOf(() => act(context))).toBe(code)
    expect(context.heads).toEqual([])
  })

  test('a schema that cannot answer at once is refused', async () => {
    const Async = defineContext({
      name: 'async',
      version: 1,
      entries: { note: z.string().refine(async () => true) },
    })
    const context = await (await offline()).open(Async, { workflow: 'w', agent: 'a', offline: true })
    expect(codeOf(() => context.append('note', 'x'))).toBe('WEFT_SCHEMA_ASYNC')
  })
})

describe('the initial state', () => {
  test('is there before anything was written, and costs nothing', async () => {
    const context = await openOffline()
    expect(context.state).toEqual({ plan: ['begin'], constraints: {} })
    expect(context.changes()).toEqual([])
  })

  test.each<[string, (context: Opened) => unknown]>([
    ['an entry', context => context.append('message', { text: 'a' })],
    ['a fork', context => context.fork('side')],
    ['a fan-out', context => context.fanOut(['x', 'y'], () => {})],
    ['a merge', context => context.merge()],
  ])('outlives whatever is written first: %s', async (_, act) => {
    const context = await openOffline()
    await act(context)
    expect(context.state).toEqual({ plan: ['begin'], constraints: {} })
    context.change(state => void state.plan.push('next'))
    expect(context.state.plan).toEqual(['begin', 'next'])
  })
})

describe('what is handed out', () => {
  test('cannot be changed', async () => {
    const context = await openOffline()
    context.append('message', { text: 'a' })
    context.change(state => void state.plan.push('x'))
    const { state } = context
    const snapshot = context.at(context.heads)
    for (const alter of [
      () => {
        ;(state as { plan: string[] }).plan = []
      },
      () => void (state.plan as string[]).push('y'),
      () => {
        ;(context.entries()[0]!.value as { text: string }).text = 'b'
      },
      () => {
        ;(context.entries()[0] as { kind: string }).kind = 'b'
      },
      () => void (snapshot.state.plan as string[]).push('y'),
    ]) {
      expect(alter).toThrow(TypeError)
    }
    expect(textsOf(context)).toEqual(['a'])
  })

  test('a snapshot stays what it was, whatever is written later', async () => {
    const context = await openOffline()
    context.append('message', { text: 'a' })
    const snapshot = context.at(context.heads)
    const held = context.state
    context.append('message', { text: 'b' })
    context.change(state => void state.plan.push('later'))
    expect(textsOf(snapshot)).toEqual(['a'])
    expect(snapshot.state.plan).toEqual(['begin'])
    expect(held.plan).toEqual(['begin'])
    expect(snapshot.size).toBe(2)
  })

  test('the state is the same object until it changes', async () => {
    const context = await openOffline()
    context.append('message', { text: 'a' })
    const { state } = context
    context.append('message', { text: 'b' })
    expect(context.state).toBe(state)
    context.change(next => void next.plan.push('x'))
    expect(context.state).not.toBe(state)
  })
})

describe('branches', () => {
  test('a fork sees what was there, and nothing of what comes elsewhere until it is merged', async () => {
    const context = await openOffline()
    context.append('message', { text: 'shared' })
    const side = context.fork('side', { agent: 'other' })
    side.append('message', { text: 'theirs' })
    context.append('message', { text: 'ours' })
    expect([textsOf(context), textsOf(side)]).toEqual([
      ['shared', 'ours'],
      ['shared', 'theirs'],
    ])
    expect([side.agent, side.branch, context.branches]).toEqual(['other', 'side', ['main', 'side']])
    const report = context.merge('side')
    expect(textsOf(context)).toEqual(['shared', 'ours', 'theirs'])
    expect(report.merged).toMatchObject([{ branch: 'side', changes: 1, agents: ['other'] }])
    expect(report.order).toEqual([context.entries()[2]!.id])
    expect(context.mergeReport(report.change)).toEqual((({ receipt: _, ...rest }) => rest)(report))
    expect(textsOf(side)).toEqual(['shared', 'theirs'])
  })

  test('[MRG-2] a fan-out merges what its branches wrote, and keeps what they disagree on', async () => {
    const context = await openOffline()
    const report = await context.fanOut(['research', 'code'], async branch => {
      branch.append('message', { text: branch.branch })
      await Promise.resolve()
      branch.change(state => {
        state.constraints.format = branch.branch
      })
    })
    expect(textsOf(context)).toEqual(['research', 'code'])
    expect(report.merged.map(({ branch }) => branch)).toEqual(['research', 'code'])
    expect(valuesOf(report.conflicts)).toEqual(['code', 'research'])
    expect(valuesOf(context.conflicts())).toEqual(['code', 'research'])
    context.resolve('/constraints/format', 'both', { reason: 'a vote' })
    expect(context.conflicts()).toEqual([])
    expect(context.state.constraints.format).toBe('both')
  })

  test('[MRG-2] a fan-out over names that every object has loses none of them', async () => {
    const context = await openOffline()
    const names = ['__proto__', 'constructor']
    const report = await context.fanOut(
      names,
      branch => void branch.append('message', { text: branch.branch }),
    )
    expect(report.merged.map(({ branch }) => branch)).toEqual(names)
    expect(textsOf(context)).toEqual(names)
  })

  test('a fan-out in which one branch fails merges nothing, and its branches stay', async () => {
    const context = await openOffline()
    const failing = context.fanOut(['good', 'bad'], async branch => {
      branch.append('message', { text: branch.branch })
      if (branch.branch === 'bad') throw new Error('no luck')
    })
    await expect(failing).rejects.toThrow('no luck')
    expect(textsOf(context)).toEqual([])
    expect(context.branches).toEqual(['main', 'good', 'bad'])
    const all = context.fanOut(['c', 'd'], () => Promise.reject(new Error('worse')))
    await expect(all).rejects.toBeInstanceOf(AggregateError)
  })

  test('a branch is unmerged when something was written on it, and not by having begun', async () => {
    const context = await openOffline()
    const inner = context.fork('outer').fork('inner')
    expect(context.unmerged).toEqual(['outer'])
    inner.append('message', { text: 'x' })
    expect(context.unmerged).toEqual(['inner'])
    context.merge('inner')
    context.fork('next')
    expect(context.unmerged).toEqual([])
  })

  test('a branch handle that its work closed is not closed twice', async () => {
    const harness = await PeerHarness.start()
    const context = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'a' })
    await context.fanOut(['x'], async branch => {
      branch.append('message', { text: 'x' })
      await branch.close()
    })
    expect(textsOf(context)).toEqual(['x'])
  })

  test('a fork can begin in the past, by heads or by position', async () => {
    const harness = await PeerHarness.start()
    const context = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'a' })
    await context.append('message', { text: 'a' }).committed
    const heads = context.heads
    await context.append('message', { text: 'b' }).committed
    expect(textsOf(context.fork('by-heads', { at: heads }))).toEqual(['a'])
    expect(textsOf(context.fork('by-position', { at: 2 }))).toEqual(['a'])
    expect(textsOf(context.at(2))).toEqual(['a'])
    expect(context.at(2).state).toEqual(context.state)
    expect(textsOf(context.at(0))).toEqual([])
    expect(context.at(0).state).toEqual(Research.initial)
    expect(Object.keys(context.at(0).state)).not.toEqual([])
  })
})

describe('audit', () => {
  test('tells who did what, by agent, branch, kind and pointer', async () => {
    const context = await openOffline('ada')
    context.append('message', { text: 'a' })
    context.change(state => {
      state.constraints.a = 1
    })
    const side = context.fork('side', { agent: 'bob' })
    side.append('decision', { choice: 'x' })
    side.change(state => {
      state.constraints.b = 2
    })
    context.merge('side')
    const count = (filter: Parameters<typeof context.audit>[0]): number => [...context.audit(filter)].length
    expect([...context.audit()]).toHaveLength(7)
    expect([count({ agent: 'bob' }), count({ branch: 'side' }), count({ kind: 'decision' })]).toEqual([
      2, 2, 1,
    ])
    expect([count({ pointer: '/constraints/a' }), count({ pointer: '/constraints' })]).toEqual([2, 3])
    expect([...context.audit({ branch: 'main' })].at(-1)).toMatchObject({ merges: ['side'] })
    expect(codeOf(() => [...context.audit({ pointer: 'a' })])).toBe('WEFT_POINTER_INVALID')
  })
})

describe('handles', () => {
  test('once closed take nothing', async () => {
    const harness = await PeerHarness.start()
    const replica = await harness.replica()
    const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
    await context.append('message', { text: 'a' }).committed
    await context.close()
    await context.close()
    for (const act of [
      () => context.append('message', { text: 'b' }),
      () => context.state,
      () => context.entries(),
    ]) {
      expect(codeOf(act)).toBe('WEFT_CLOSED')
    }
    const again = await replica.open(Research, { workflow: 'w', agent: 'a' })
    expect(textsOf(again)).toEqual(['a'])
  })

  test('cannot be opened for ids that are none, or branches that are not there', async () => {
    const replica = await offline()
    const open = (more: object) =>
      rejectionOf(replica.open(Research, { workflow: 'w', agent: 'a', offline: true, ...more }))
    expect((await open({ workflow: 'a:b' })).code).toBe('WEFT_ID_INVALID')
    expect((await open({ agent: '' })).code).toBe('WEFT_ID_INVALID')
    expect((await open({ branch: '../x' })).code).toBe('WEFT_ID_INVALID')
    const known = await PeerHarness.start().then(harness => harness.replica())
    await known.open(Research, { workflow: 'w', agent: 'a' })
    for (const more of [{}, { offline: true }]) {
      const nowhere = known.open(Research, { workflow: 'w', agent: 'a', branch: 'nowhere', ...more })
      expect((await rejectionOf(nowhere)).code).toBe('WEFT_BRANCH_UNKNOWN')
    }
  })

  test('on a branch of the engine’s own only read', async () => {
    const context = await openOffline()
    context.fork('lost')
    context.abandon(['lost'])
    const own = { workflow: 'w', agent: 'a', branch: 'weft.abandoned', offline: true }
    const replica = await PeerHarness.start().then(harness => harness.replica())
    const begun = await replica.open(Research, { workflow: 'w', agent: 'a' })
    begun.adopt(context.changes().map(({ bytes }) => bytes))
    expect((await rejectionOf(replica.open(Research, own))).code).toBe('WEFT_ID_INVALID')
    expect((await replica.open(ANY_CONTEXT, own)).heads).toHaveLength(1)
  })
})

function valuesOf(conflicts: readonly Conflict[]): unknown[] {
  expect(conflicts).toHaveLength(1)
  return conflicts[0]!.values.map(each => each.value).sort()
}
