import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { collectGarbage } from '../support/heap.ts'
import { until } from '../support/peer-until.ts'
import { planOn, replicas } from '../support/steps-peer.ts'

it('[STP-1] a step’s signal says why it ended, whenever it is first asked for', async () => {
  const [replica] = await replicas(1)
  const context = await planOn(replica!, 'planner')
  const down = new Error('the model is down')
  const enough = new Error('enough')
  for (const asksFirst of [true, false]) {
    let signal = (): AbortSignal | undefined => undefined
    const failing = context.step('fails', step => {
      signal = () => step.signal
      if (asksFirst) expect(signal()?.aborted).toBe(false)
      throw down
    })
    await expect(failing).rejects.toBe(down)
    expect([signal()?.aborted, signal()?.reason]).toEqual([true, down])
    const outer = new AbortController()
    const ended = context.step(
      'ends',
      step => {
        signal = () => step.signal
        if (asksFirst) expect(signal()?.aborted).toBe(false)
        step.append('decision', { text: 'too late' })
        outer.abort(enough)
      },
      { signal: outer.signal },
    )
    await expect(ended).rejects.toBe(enough)
    expect([signal()?.aborted, signal()?.reason]).toEqual([true, enough])
  }
  expect(context.entries()).toEqual([])
})

it('[STP-1] a step whose signal has aborted when it would begin does nothing', async () => {
  const [replica] = await replicas(1)
  const context = await planOn(replica!, 'planner')
  const enough = new Error('enough')
  const work = vi.fn()
  const signal = AbortSignal.abort(enough)
  await expect(context.step('never', work, { signal })).rejects.toBe(enough)
  expect(context.heads).toEqual([])

  for (const name of ['a', 'b'])
    context.fork(name).change(state => {
      state.format = name
    })
  context.merge('a', 'b')
  const outer = new AbortController()
  const gated = context.step('gated', work, { signal: outer.signal, requires: 'no-conflicts' })
  context.onChange(() => outer.abort(enough))
  context.resolve('/format', 'a')
  await expect(gated).rejects.toBe(enough)
  expect(work).not.toHaveBeenCalled()
})

it('[TIR-1] what else may end a step keeps nothing of it when it is over, however long that lives', async () => {
  const [replica] = await replicas(1)
  const context = await planOn(replica!, 'planner')
  await context.lease({ ttl_ms: 600_000 })
  const outer = new AbortController()
  const kept: WeakRef<object>[] = []
  const run = async (name: string): Promise<void> => {
    await context.step(
      name,
      async step => {
        const heavy = { of: step.name }
        step.signal.addEventListener('abort', () => heavy)
        const { doc } = step.scratch
        kept.push(new WeakRef(heavy), new WeakRef(doc), new WeakRef(step.signal))
        await step.effect(
          name,
          call => {
            call.signal.addEventListener('abort', () => heavy)
            kept.push(new WeakRef(call.signal))
          },
          { signal: outer.signal },
        )
        if (name === 'fails') throw new Error(name)
      },
      { signal: outer.signal },
    )
  }
  await run('ends')
  await expect(run('fails')).rejects.toThrow('fails')
  expect(kept).toHaveLength(8)
  const isGone = async (): Promise<boolean> => {
    await collectGarbage()
    return kept.every(each => each.deref() === undefined)
  }
  await until(isGone, 'all of both is gone')
  expect(outer.signal.aborted).toBe(false)
})

it('[STP-3] many effects and many steps at once, under one signal, are no leak that Node warns of', async () => {
  const [replica] = await replicas(1)
  const context = await planOn(replica!, 'planner')
  const warned: string[] = []
  const onWarning = ({ name }: Error): void => void warned.push(name)
  process.on('warning', onWarning)
  onTestFinished(() => void process.off('warning', onWarning))
  const { signal } = new AbortController()
  const MANY = 12
  const many = Array.from({ length: MANY }, (_, index) => index)
  await context.step('one', step =>
    Promise.all(many.map(each => step.effect(`${each}`, () => each, { signal }))),
  )
  let begun = 0
  const turn = (index: number) =>
    context.step(
      `${index}`,
      async step => {
        step.append('decision', { text: `${index} ${step.signal.aborted}` })
        begun++
        await until(() => begun === MANY, 'all have begun')
      },
      { signal },
    )
  await Promise.all(many.map(turn))
  expect(context.entries()).toHaveLength(MANY)
  // Warnings are told a turn later.
  await nextTurn()
  expect(warned).toEqual([])
})
