import { type ContextDefinition, defineContext, isWeftError } from '@weft/core'
import { connect, type OpenOptions, type ReplicaEvent } from '@weft/replica'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { type Opened, Research } from '../support/replica-contexts.ts'

const ADMIN = { scopes: ['read' as const, 'write' as const, 'admin' as const] }
/** What a caller without types passes by mistake. */
const WRONG: readonly unknown[] = [undefined, null, 5, {}]

let harness: PeerHarness
let context: Opened

beforeEach(async () => {
  harness = await PeerHarness.start()
  const replica = await connect({ url: harness.url, token: await harness.token(ADMIN) })
  onTestFinished(() => replica.close({ discard: true }))
  context = await replica.open(Research, { workflow: 'w', agent: 'a' })
  await context.append('message', { text: 'x' }).committed
})

/** The code of what is thrown, now or later; undefined when nothing is. */
async function codeOf(act: () => unknown): Promise<string | undefined> {
  try {
    await act()
    return undefined
  } catch (error) {
    return isWeftError(error) ? error.code : String(error)
  }
}

type Untyped = Record<string, (...args: unknown[]) => unknown>

describe('an argument that is none of what a call takes is refused by code, and nothing is written', () => {
  test.each<[string, (wrong: unknown, on: Untyped) => unknown, string]>([
    ['change', (wrong, on) => on.change!(wrong), 'WEFT_USAGE'],
    ['write', (wrong, on) => on.write!(wrong), 'WEFT_USAGE'],
    ['propose', (wrong, on) => on.propose!(wrong, {}), 'WEFT_USAGE'],
    ['proposeFork', (wrong, on) => on.proposeFork!(wrong), 'WEFT_USAGE'],
    ['proposeMerge', (wrong, on) => on.proposeMerge!(wrong), 'WEFT_USAGE'],
    ['proposeAbandonment', (wrong, on) => on.proposeAbandonment!(wrong), 'WEFT_USAGE'],
    ['step', (wrong, on) => on.step!('turn', wrong), 'WEFT_USAGE'],
    ['step without a name', (wrong, on) => on.step!(wrong, () => {}), 'WEFT_USAGE'],
    ['fanOut without names', (wrong, on) => on.fanOut!(wrong, () => {}), 'WEFT_USAGE'],
    ['fanOut without work', (wrong, on) => on.fanOut!(['one', 'two'], wrong), 'WEFT_USAGE'],
    ['resolve', (wrong, on) => on.resolve!(wrong, 1), 'WEFT_POINTER_INVALID'],
    ['decide', (wrong, on) => on.decide!(wrong, 1), 'WEFT_POINTER_INVALID'],
    ['why', (wrong, on) => on.why!(wrong), 'WEFT_USAGE'],
    ['blastRadius', (wrong, on) => on.blastRadius!(wrong), 'WEFT_REF_INVALID'],
    ['erase', (wrong, on) => on.erase!(wrong), 'WEFT_USAGE'],
    ['abandon', (wrong, on) => on.abandon!(wrong), 'WEFT_USAGE'],
    ['summarize', (wrong, on) => on.summarize!({}, wrong), 'WEFT_USAGE'],
    ['until', (wrong, on) => on.until!(wrong), 'WEFT_USAGE'],
    ['onChange', (wrong, on) => on.onChange!(wrong), 'WEFT_USAGE'],
    ['onInvalidated', (wrong, on) => on.onInvalidated!(wrong), 'WEFT_USAGE'],
  ])('%s', async (_, act, code) => {
    const before = context.changes().length
    for (const wrong of WRONG) {
      expect([wrong, await codeOf(() => act(wrong, context as unknown as Untyped))]).toEqual([wrong, code])
    }
    expect(context.changes()).toHaveLength(before)
    expect(context.branches).toEqual(['main'])
    // The handle works on, and so does the connection.
    await context.append('message', { text: 'y' }).committed
  })

  test.each([undefined, null, 5])('options that are %s', async wrong => {
    const none = wrong as unknown as OpenOptions
    const replica = await connect({ url: harness.url, token: await harness.token() })
    onTestFinished(() => replica.close({ discard: true }))
    for (const act of [
      () => connect(wrong as never),
      () => replica.open(Research, none),
      () => replica.open(wrong as unknown as ContextDefinition, { workflow: 'w', agent: 'a' }),
      () => defineContext(wrong as never),
      () => context.window(wrong as never),
      () => context.revert(wrong as never),
    ])
      expect([String(act), await codeOf(act)]).toEqual([String(act), 'WEFT_USAGE'])
  })

  test('a target of a revert that is none, or several: one of them would be passed over', async () => {
    const [change] = context.changes().slice(-1)
    const { id, header } = change!
    for (const wrong of [
      {},
      [],
      { change: undefined },
      { actor: header.actor, change: id },
      { change: id, dryRun: true },
      { from: 1 },
      { to: 1, change: id },
      { changes: id },
    ]) {
      const act = () => context.revert(wrong as never)
      expect([wrong, await codeOf(act)]).toEqual([wrong, 'WEFT_USAGE'])
    }
    expect(context.revert({ change: id, actor: undefined } as never, { dryRun: true }).changes).toEqual([id])
    expect(context.changes()).toHaveLength(2)
  })

  test('a filter that would filter nothing, an option of a window that would do nothing', async () => {
    for (const wrong of [null, 5, 'message', [], { foo: 1 }, { agent: 3 }, { kinds: ['message'] }])
      for (const of of [context, context.at(context.heads)])
        expect([wrong, await codeOf(() => of.audit(wrong as never))]).toEqual([wrong, 'WEFT_FILTER_INVALID'])
    expect(await codeOf(() => context.audit({ pointer: 3 } as never))).toBe('WEFT_POINTER_INVALID')
    expect([...context.audit({ kind: 'message', agent: undefined } as never)]).toHaveLength(1)
    const budget = 1_000
    for (const wrong of [
      { pins: { kinds: ['message'] } },
      { pin: { kind: ['message'] } },
      { at: 1, until: 2 },
    ])
      expect([wrong, await codeOf(() => context.window({ budget, ...wrong } as never))]).toEqual([
        wrong,
        'WEFT_WINDOW_OPTIONS',
      ])
    expect(await codeOf(() => context.window({ budget, overlays: 5 } as never))).toBe('WEFT_WINDOW_OPTIONS')
    const inStep = (options: unknown) =>
      codeOf(() => context.step('look', step => void step.window(options as never)))
    expect(await inStep(undefined)).toBe('WEFT_USAGE')
    expect(await inStep({ budget, overlays: null })).toBe('WEFT_USAGE')
    expect(await inStep({ budget, at: 1 })).toBe('WEFT_WINDOW_OPTIONS')
  })

  test('an entry that is not there, which was derived from nothing, and one that the branch does not show', async () => {
    const [entry] = context.entries()
    expect(context.why(entry!.id)).toEqual({ entry: entry!.id, reads: [], stale: undefined })
    const aside = context.fork('aside')
    const elsewhere = aside.append('message', { text: 'on another branch' })
    for (const id of [`${entry!.change}.7`, `${entry!.change}.00`, elsewhere.entries[0]!])
      expect([id, await codeOf(() => context.why(id))]).toEqual([id, 'WEFT_ENTRY_UNKNOWN'])
    expect(await codeOf(() => context.why(`${'f'.repeat(64)}.0`))).toBe('WEFT_CHANGE_UNKNOWN')
    expect(aside.why(elsewhere.entries[0]!).reads).toEqual([])
  })

  test.each([null, 5, 'aside'])('options of a fork that are %s', async wrong => {
    expect(await codeOf(() => context.fork('one', wrong as never))).toBe('WEFT_USAGE')
    expect(context.branches).toEqual(['main'])
  })

  test('what composes a change, and goes on after it has returned', async () => {
    const before = context.changes().length
    const compose = async (draft: { append(kind: 'message', value: { text: string }): unknown }) => {
      draft.append('message', { text: 'at once' })
      await Promise.resolve()
      draft.append('message', { text: 'too late' })
      throw new Error('nobody hears of this')
    }
    expect(await codeOf(() => context.write(compose))).toBe('WEFT_USAGE')
    expect(await codeOf(() => context.propose(compose, {}))).toBe('WEFT_USAGE')
    expect(context.changes()).toHaveLength(before)
  })

  test('a name or a reason that is no text', async () => {
    const reason = 5 as unknown as string
    const write = () => context.step('turn', step => void step.append('message', { text: 'z' }), { reason })
    expect(await codeOf(write)).toBe('WEFT_LABEL_INVALID')
  })
})

describe('a listener that throws', () => {
  /** What nobody has caught, instead of the end of this process. */
  function uncaught(): unknown[] {
    const others = process.listeners('uncaughtException')
    const errors: unknown[] = []
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', error => void errors.push(error))
    onTestFinished(() => {
      process.removeAllListeners('uncaughtException')
      for (const other of others) process.on('uncaughtException', other)
    })
    return errors
  }

  test('keeps nobody from being told, and what was written from being written; its error is heard of by the process', async () => {
    const errors = uncaught()
    const heard: string[] = []
    const broken = new Error('a listener that is broken')
    const fail = (): void => {
      throw broken
    }
    const stop = context.onChange(fail)
    context.onChange(() => heard.push('change'))
    const { change, committed } = context.append('message', { text: 'y' })
    expect(heard).toEqual(['change'])
    await committed
    expect(context.changes().map(({ id }) => id)).toContain(change)
    expect(new Set(errors)).toEqual(new Set([broken]))

    stop()
    const before = errors.length
    await context.append('message', { text: 'z' }).committed
    expect(errors).toHaveLength(before)
  })

  test('keeps a replica from nothing that comes from its peer', async () => {
    const errors = uncaught()
    const told: ReplicaEvent['type'][] = []
    const replica = await connect({
      url: harness.url,
      token: await harness.token(),
      onEvent: ({ type }) => {
        told.push(type)
        throw new Error(type)
      },
    })
    onTestFinished(() => replica.close({ discard: true }))
    const other = await replica.open(Research, { workflow: 'w', agent: 'b' })
    other.onChange(() => {
      throw new Error('change')
    })
    const { change, committed } = context.append('message', { text: 'to both' })
    await committed
    await other.until(() => other.changes().some(({ id }) => id === change))
    await harness.restart()
    await context.append('message', { text: 'after a restart' }).committed
    await other.until(() => other.entries().length === 3)
    // It is told again by each attempt that comes before the peer is back.
    const changes = told.filter((type, at) => type !== told[at - 1])
    expect(changes).toEqual(['connected', 'disconnected', 'connected'])
    expect(new Set(errors.map(String))).toEqual(
      new Set(['Error: connected', 'Error: disconnected', 'Error: change']),
    )
  })

  test('may listen twice, and stop once', () => {
    let heard = 0
    const listener = (): void => void heard++
    const stop = context.onChange(listener)
    context.onChange(listener)
    context.append('message', { text: 'y' })
    stop()
    context.append('message', { text: 'z' })
    expect(heard).toBe(3)
  })
})

describe('options that say nothing about how long to wait are refused by code, and nothing is written', () => {
  const WRONG_WAITS: readonly unknown[] = [
    null,
    5,
    { timeout_ms: '5' },
    { timeout_ms: Number.NaN },
    { timeout_ms: -1 },
    { signal: {} },
    { signal: null },
  ]
  test.each<[string, (wrong: unknown, on: Untyped) => unknown]>([
    ['flush', (wrong, on) => on.flush!(wrong)],
    ['close', (wrong, on) => on.close!(wrong)],
    ['until', (wrong, on) => on.until!(() => true, wrong)],
    ['token', (wrong, on) => on.token!(wrong)],
    ['reach', (wrong, on) => on.reach!('token', wrong)],
    [
      'step',
      (wrong, on) => on.step!('turn', (step: Untyped) => step.append!('message', { text: 'y' }), wrong),
    ],
    [
      'propose',
      (wrong, on) => on.propose!((draft: Untyped) => draft.append!('message', { text: 'y' }), wrong),
    ],
    ['proposeFork', (wrong, on) => on.proposeFork!(['one'], wrong)],
    ['proposeMerge', (wrong, on) => on.proposeMerge!(['main'], wrong)],
    ['proposeAbandonment', (wrong, on) => on.proposeAbandonment!(['main'], wrong)],
    ['decide', (wrong, on) => on.decide!('/topic', () => 'x', wrong)],
    ['lease', (wrong, on) => on.lease!(wrong)],
    ['subscribe', (wrong, on) => on.subscribe!('events', wrong)],
    ['handoff', (wrong, on) => on.handoff!(wrong)],
  ])('%s', async (_, act) => {
    const before = context.changes().length
    for (const wrong of WRONG_WAITS) {
      expect([wrong, await codeOf(() => act(wrong, context as unknown as Untyped))]).toEqual([
        wrong,
        'WEFT_USAGE',
      ])
    }
    await context.flush()
    expect(context.changes()).toHaveLength(before)
  })

  test('and what they were to wait for ends nothing when it fails later', async () => {
    const replica = await connect({ url: 'ws://127.0.0.1:9', token: 'none', offline: true })
    const unsynced = await replica.open(Research, { workflow: 'w', agent: 'a', offline: true })
    unsynced.append('message', { text: 'x' })
    const unheard: unknown[] = []
    const onUnheard = (error: unknown): void => void unheard.push(error)
    process.on('unhandledRejection', onUnheard)
    onTestFinished(() => void process.off('unhandledRejection', onUnheard))
    expect(await codeOf(() => replica.flush({ timeout_ms: -1 }))).toBe('WEFT_USAGE')
    expect(await codeOf(() => replica.flush({ signal: AbortSignal.abort() }))).toBe('WEFT_ABORTED')
    await replica.close({ discard: true })
    await new Promise(resolve => setImmediate(resolve))
    expect(unheard).toEqual([])
  })

  test('for ever is as long as it takes', async () => {
    const late = setTimeout(() => context.append('message', { text: 'late' }), 20)
    onTestFinished(() => clearTimeout(late))
    const isThere = (): boolean => context.changes().length > 1
    await context.until(isThere, { timeout_ms: Number.POSITIVE_INFINITY })
    expect(isThere()).toBe(true)
    await context.flush({ timeout_ms: 2 ** 40 })
  })
})
