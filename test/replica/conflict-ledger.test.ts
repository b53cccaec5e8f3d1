import { WeftError } from '@weft/replica'
import { describe, expect, it } from 'vitest'
import { Plan, planOn, replicas } from '../support/steps-peer.ts'

async function errorOf(promise: Promise<unknown>): Promise<WeftError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (thrown instanceof WeftError) return thrown
  throw new Error('it was not refused with a code', { cause: thrown })
}

/** Two branches disagree on `/format`, merged into main. */
async function inConflict() {
  const [here, there] = await replicas(2)
  const a = await planOn(here!, 'ada')
  await a.fanOut(['left', 'right'], branch => {
    branch.change(state => {
      state.format = branch.branch
    })
  })
  await a.flush()
  const b = await planOn(there!, 'bob')
  return { here: here!, there: there!, a, b }
}

describe('the conflict ledger', () => {
  it('[MRG-2] says how old a conflict is, and afterwards who settled it, with what and why', async () => {
    const { a, b } = await inConflict()
    const [conflict] = a.conflicts()
    const times = conflict!.values.map(({ time }) => time)
    expect(conflict).toMatchObject({ firstTime: Math.min(...times), lastTime: Math.max(...times) })
    expect(a.resolutions()).toEqual([])
    b.append('memory', { text: 'beside' })
    const { change } = b.resolve('/format', 'right', { reason: 'the customer asked for it' })
    await b.flush()
    await a.until(() => a.conflicts().length === 0)
    expect(a.resolutions()).toEqual([
      {
        pointer: '/format',
        value: 'right',
        change,
        agent: 'bob',
        branch: 'main',
        time: expect.any(Number),
        reason: 'the customer asked for it',
        settled: conflict!.values,
      },
    ])
    expect(b.resolutions()).toEqual(a.resolutions())
    expect(a.resolutions({ pointer: '/format' })).toHaveLength(1)
    expect(a.resolutions({ pointer: '/plan' })).toEqual([])
    a.change(state => {
      state.format = 'later'
    })
    expect(a.resolutions()).toHaveLength(1)
  })

  it('holds a step until somebody has resolved the conflict', async () => {
    const { a, b } = await inConflict()
    let started = false
    const step = a.step(
      'write',
      ({ state }) => {
        started = true
        return state.format
      },
      { requires: 'no-conflicts' },
    )
    await b.flush()
    expect(started).toBe(false)
    b.resolve('/format', 'left')
    expect(await step).toMatchObject({ value: 'left' })
  })

  it('holds an opening likewise', async () => {
    const { a, there } = await inConflict()
    const opening = there.open(Plan, { workflow: 'wf', agent: 'eve', gate: 'no-conflicts' })
    a.resolve('/format', 'left')
    const context = await opening
    expect(context.conflicts()).toEqual([])
    expect(context.state.format).toBe('left')
  })

  it('names what is open when nobody resolves it in time, and writes nothing', async () => {
    const { a, there } = await inConflict()
    const { heads } = a
    const step = a.step('write', () => 1, { requires: 'no-conflicts', timeout_ms: 20 })
    const opening = there.open(Plan, {
      workflow: 'wf',
      agent: 'eve',
      gate: 'no-conflicts',
      timeout_ms: 500,
    })
    for (const error of [await errorOf(step), await errorOf(opening)]) {
      expect(error.code).toBe('WEFT_CONFLICTS_OPEN')
      expect(error.message).toContain('/format')
      expect(error.details).toEqual({ branch: 'main', pointers: ['/format'], count: 1 })
    }
    expect(a.heads).toEqual(heads)
  })

  it('ends with its replica, when nobody can resolve anything there any more', async () => {
    const { a, there } = await inConflict()
    const opening = there.open(Plan, { workflow: 'wf', agent: 'eve', gate: 'no-conflicts' })
    const waiting = a.until(() => false)
    const other = await there.open(Plan, { workflow: 'wf', agent: 'mallory' })
    const until = other.until(() => false)
    await there.close({ discard: true })
    for (const ended of [opening, until]) expect((await errorOf(ended)).code).toBe('WEFT_CLOSED')
    await a.append('memory', { text: 'others go on' }).committed
    waiting.catch(() => {})
  })

  it('gives up waiting when it is told to', async () => {
    const { a } = await inConflict()
    const controller = new AbortController()
    const step = a.step('write', () => 1, { requires: 'no-conflicts', signal: controller.signal })
    controller.abort()
    expect((await errorOf(step)).code).toBe('WEFT_ABORTED')
  })
})
