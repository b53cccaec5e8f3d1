import { describe, expect, it } from 'vitest'
import { planOn, replicas } from '../support/steps-peer.ts'

async function three() {
  const all = await replicas(3)
  return Promise.all(all.map((replica, index) => planOn(replica, `agent-${index}`)))
}

describe('[DUR-6] a write on condition', () => {
  it('is taken while what it expects holds, and visible to its author only then', async () => {
    const [first, second] = await three()
    await first!.change(state => {
      state.format = 'json'
    }).committed
    await second!.until(() => second!.state.format === 'json')
    const before = second!.digest()
    const accepted = second!.propose(draft => draft.append('decision', { text: 'json it is' }), {
      expect: { unmoved: ['state:/format'] },
    })
    expect(second!.digest(), 'nothing is seen yet').toBe(before)
    const { change, entries, position } = (await accepted)!
    expect(second!.entries().map(({ id }) => id)).toEqual(entries)
    expect(second!.positionOf(change)).toBe(position)
    await first!.until(() => first!.entries().length === 1)
    expect(first!.digest()).toBe(second!.digest())
  })

  it('changes nothing anywhere when it is refused, and says what it would have needed', async () => {
    const [first, second] = await three()
    await first!.change(state => {
      state.format = 'json'
    }).committed
    await second!.until(() => second!.state.format === 'json')
    const { heads } = second!
    const moved = first!.change(state => {
      state.format = 'html'
    })
    await moved.committed
    const stale = second!.propose(draft => draft.append('decision', { text: 'json it is' }), {
      expect: { heads },
    })
    // It was sealed before the other's write was here, or the peer has told of it in the meantime: refused either way.
    await expect(stale).rejects.toMatchObject({
      code: 'WEFT_PRECONDITION',
      details: { heads: [{ branch: 'main', heads: [moved.change] }] },
    })
    await second!.until(() => second!.state.format === 'html')
    expect(second!.entries()).toEqual([])
    await first!.append('decision', { text: 'html it is' }).committed
    await second!.until(() => second!.entries().length === 1)
    expect(first!.digest()).toBe(second!.digest())
  })

  it('expects the last writer of a pointer, here at once and at the peer when it is decided', async () => {
    const [first, second] = await three()
    const wrote = first!.change(state => {
      state.constraints.tone = 'calm'
    })
    await wrote.committed
    await second!.until(() => second!.state.constraints.tone === 'calm')
    expect(second!.lastWriters('/constraints/tone')).toEqual([wrote.change])
    const write = (writers: Record<string, string | readonly string[] | null>) =>
      second!.propose(
        draft =>
          draft.change(state => {
            state.constraints.tone = 'loud'
          }),
        {
          expect: { writers },
        },
      )
    await expect(write({ '/constraints/tone': null })).rejects.toMatchObject({
      code: 'WEFT_PRECONDITION',
      details: { moved: [{ ref: 'state:/constraints/tone', change: wrote.change }] },
    })
    await write({ '/constraints/tone': wrote.change! })
    expect(second!.state.constraints.tone).toBe('loud')
    await expect(write({ '/constraints/tone': wrote.change! })).rejects.toMatchObject({
      code: 'WEFT_PRECONDITION',
    })
  })

  it('expects nothing of writes on branches that its own does not show', async () => {
    const [first, second] = await three()
    const aside = first!.fork('aside')
    await aside.change(state => {
      state.format = 'aside'
    }).committed
    await second!.until(() => second!.branches.includes('aside'))
    const expect_ = { expect: { unmoved: ['state:/format'] } }
    await second!.propose(draft => draft.append('decision', { text: 'on main' }), expect_)
    await first!.touch('ext:doc/1', 'v2').committed
    const outside = second!.fork('outside')
    const { heads } = outside
    await expect(
      outside.step('late', step => step.dependsOn('ext:doc/1@v1').append('decision', { text: 'v1' }), {
        expect: { unmoved: ['ext:doc/1@v1'] },
      }),
    ).rejects.toMatchObject({ code: 'WEFT_PRECONDITION' })
    expect(outside.heads).toEqual(heads)
    const { change } = await outside.step('right', step => step.append('decision', { text: 'v2' }), {
      expect: { unmoved: ['ext:doc/1@v2'], heads },
    })
    expect(outside.heads).toEqual([change])
  })

  it('refuses what is no pointer, no ref and no head, before anything is sent', async () => {
    const [first] = await three()
    const write = (expected: object) =>
      first!.propose(draft => draft.append('memory', { text: '' }), { expect: expected })
    await expect(write({ writers: { constraints: null } })).rejects.toMatchObject({
      code: 'WEFT_POINTER_INVALID',
    })
    await expect(write({ unmoved: ['document 7'] })).rejects.toMatchObject({ code: 'WEFT_REF_INVALID' })
    await expect(write({ heads: { other: ['ab'.repeat(32)] } })).rejects.toMatchObject({
      code: 'WEFT_PRECONDITION',
    })
    expect(first!.entries()).toEqual([])
  })

  it('decides one after the other: of 3 × 20 concurrent increments none is lost', async () => {
    const all = await three()
    const decisions = await Promise.all(
      all.map(async context => {
        let attempts = 0
        for (let i = 0; i < 20; i++) {
          const decision = await context.decide('/count', count => (count as number) + 1, { attempts: 1_000 })
          attempts += decision.attempts
        }
        return attempts
      }),
    )
    await Promise.all(all.map(context => context.until(() => context.state.count === 60)))
    expect(new Set(all.map(context => context.digest())).size).toBe(1)
    expect(all[0]!.conflicts()).toEqual([])
    expect(decisions.reduce((sum, attempts) => sum + attempts, 0)).toBeGreaterThan(60)
  })

  it('gives up after the attempts that it was given, and leaves the value to the others', async () => {
    const [first, second] = await three()
    await first!.change(state => {
      state.count = 1
    }).committed
    const disturb = async (count: unknown): Promise<number> => {
      await first!.change(state => {
        state.count += 10
      }).committed
      return (count as number) + 1
    }
    await expect(second!.decide('/count', disturb, { attempts: 2 })).rejects.toMatchObject({
      code: 'WEFT_PRECONDITION',
    })
    await second!.until(() => second!.state.count === 21)
  })
})
