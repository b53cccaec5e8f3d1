import { expect, it, vi } from 'vitest'
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
