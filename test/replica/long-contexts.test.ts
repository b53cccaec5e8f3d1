import { ChangeSet } from '@weft/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { type Opened, Research } from '../support/replica-contexts.ts'

/** Counts how often all that some heads show is gone through, from one question to the next. */
async function scene() {
  const harness = await PeerHarness.start()
  const replica = await harness.replica()
  const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
  await context.change(state => void state.plan.push('more')).committed
  const gone = vi.spyOn(ChangeSet.prototype, 'viewAt')
  onTestFinished(() => gone.mockRestore())
  return { context, gone }
}

describe('[ORD-3] what costs in a long context what it costs in a short one, as nothing goes through all of it', () => {
  it.each<[string, (context: Opened) => unknown]>([
    ['a proposal', context => context.propose(draft => draft.append('message', { text: 'x' }), {})],
    ['a proposal of the state', context => context.propose(draft => draft.change(next), {})],
    ['a decision', context => context.decide('/constraints/n', value => Number(value ?? 0) + 1)],
    [
      'an effect, and what its step writes',
      context =>
        context.step('send', async step => {
          await step.effect('key', () => 1)
          step.append('message', { text: 'sent' })
        }),
    ],
    ['a merge of what was said', context => fanOut(context, side => void said(side))],
    ['a merge of what was written', context => fanOut(context, side => void side.change(next))],
    [
      'a merge of what is stale by it',
      context =>
        fanOut(context, async side => {
          await side.step('read', step => {
            step.append('message', { text: step.state.plan.join() || 'nothing' })
            step.change(next)
          })
        }),
    ],
  ])('%s', async (_, act) => {
    const { context, gone } = await scene()
    await act(context)
    await context.flush()
    expect(gone).not.toHaveBeenCalled()
  })
})

function next(state: { plan: string[] }): void {
  state.plan.push('next')
}

function said(side: Opened): unknown {
  return side.append('message', { text: side.branch })
}

async function fanOut(context: Opened, work: (side: Opened) => Promise<void> | void): Promise<void> {
  const { merged } = await context.fanOut(['x', 'y', 'z'], work)
  expect(merged.map(({ branch }) => branch)).toEqual(['x', 'y', 'z'])
}
