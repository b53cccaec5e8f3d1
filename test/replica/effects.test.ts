import { describe, expect, it } from 'vitest'
import { planOn, replicas } from '../support/steps-peer.ts'

async function planners(count: number) {
  return Promise.all((await replicas(count)).map((replica, index) => planOn(replica, `agent-${index}`)))
}

describe('[STP-3] a side effect', () => {
  it('runs once, and its result is handed out again on every retry, on any worker', async () => {
    const [first, second] = await planners(2)
    let calls = 0
    const pay = (context: typeof first) =>
      context!.step('pay', async step => {
        const { receipt } = await step.effect('pay-42', ({ idempotencyKey, attempt }) => {
          calls++
          expect(idempotencyKey).toBe('weft:acme:wf:pay-42')
          expect(attempt).toBe(1)
          return { receipt: 'r-1' }
        })
        step.append('decision', { text: `paid, ${receipt}` })
        return receipt
      })
    expect((await pay(first)).value).toBe('r-1')
    await second!.until(() => second!.entries().length === 1)
    expect((await pay(second)).value).toBe('r-1')
    expect((await pay(first)).value).toBe('r-1')
    expect(calls).toBe(1)
    expect(first!.entries().map(entry => entry.kind)).toEqual(['decision', 'decision', 'decision'])
    const [recorded] = first!.effects()
    expect(recorded).toMatchObject({ key: 'pay-42', step: 'pay', outcome: 'done', agent: 'agent-0' })
    const paid = first!.entries()[0]!
    expect(first!.why(paid.id).reads).toContainEqual({ ref: `entry:${recorded!.entry}` })
    expect(first!.conflicts()).toEqual([])
  })

  it('is run by one of many workers that come to it at once; the others wait for its result', async () => {
    const all = await planners(3)
    let calls = 0
    const values = await Promise.all(
      all.map(context =>
        context.step('race', step =>
          step.effect('once', async () => {
            calls++
            await all[0]!.append('memory', { text: 'time passes' }).committed
            return calls
          }),
        ),
      ),
    )
    expect(values.map(({ value }) => value)).toEqual([1, 1, 1])
    expect(calls).toBe(1)
  })

  it('is refused when something that its step has read has moved, and stays refused', async () => {
    const [first, second] = await planners(2)
    await first!.change(state => {
      state.format = 'json'
    }).committed
    await second!.until(() => second!.state.format === 'json')
    let calls = 0
    const send = (disturb: () => Promise<unknown>) =>
      first!.step('send', async step => {
        const { format } = step.state
        await disturb()
        await step.effect('send', () => ++calls)
        step.append('decision', { text: format })
      })
    const refused = { code: 'WEFT_EFFECT_REFUSED', details: { key: 'send', moved: ['state:/format'] } }
    await expect(
      send(
        () =>
          second!.change(state => {
            state.format = 'html'
          }).committed,
      ),
    ).rejects.toMatchObject(refused)
    await first!.until(() => first!.state.format === 'html')
    await expect(
      send(async () => {}),
      'now nothing moves',
    ).rejects.toMatchObject(refused)
    await second!.until(() => second!.effects().length === 1)
    await expect(second!.step('send', step => step.effect('send', () => ++calls))).rejects.toMatchObject(
      refused,
    )
    expect(calls).toBe(0)
    expect(first!.entries(), 'the step wrote nothing').toEqual([])
  })

  it('does not mind what its step has not read', async () => {
    const [first, second] = await planners(2)
    await first!.change(state => {
      state.format = 'json'
    }).committed
    await second!.until(() => second!.state.format === 'json')
    const { value } = await first!.step('send', async step => {
      const { format } = step.state
      await second!.change(state => {
        state.count = 7
      }).committed
      return step.effect('send', () => format)
    })
    expect(value).toBe('json')
  })

  it('is refused when an entry that its step has read has become stale, transitively', async () => {
    const [first, second] = await planners(2)
    await first!.append('memory', { text: 'from the document' }, { dependsOn: ['ext:doc/1@v1'] }).committed
    await first!.step('conclude', step => {
      const [memory] = step.entries()
      step.append('decision', { text: `so ${(memory!.value as { text: string }).text}` })
    })
    await second!.until(() => second!.entries().length === 2)
    await expect(
      first!.step('act', async step => {
        expect(step.entries().at(-1)!.value).toMatchObject({ text: 'so from the document' })
        await second!.touch('ext:doc/1', 'v2').committed
        await first!.until(() => first!.stale().length === 2)
        return step.effect('act', () => 'acted')
      }),
    ).rejects.toMatchObject({
      code: 'WEFT_EFFECT_REFUSED',
      message: expect.stringContaining('wrote ext:doc/1'),
    })
  })

  it('asks the resolver for the version of what it relies on outside, at that moment', async () => {
    const [replica] = await replicas(1)
    let version: string | undefined = 'v3'
    const asked: string[] = []
    const context = await replica!.open((await planOn(replica!, 'x')).definition, {
      workflow: 'wf',
      agent: 'planner',
      resolve: uri => {
        asked.push(uri)
        return version
      },
    })
    const act = (key: string) =>
      context.step('act', step => step.effect(key, () => 'acted', { dependsOn: ['ext:doc/17@v3'] }))
    expect((await act('a')).value).toBe('acted')
    version = 'v4'
    await expect(act('b')).rejects.toMatchObject({
      code: 'WEFT_EFFECT_REFUSED',
      message: expect.stringContaining('ext:doc/17 is v4, and was v3'),
    })
    version = undefined
    await expect(act('c')).rejects.toMatchObject({ message: expect.stringContaining('gone') })
    expect((await act('a')).value, 'what was done is done').toBe('acted')
    version = 'v3'
    await expect(act('b'), 'a refusal stays a refusal').rejects.toMatchObject({ code: 'WEFT_EFFECT_REFUSED' })
    expect(asked).toEqual(['doc/17', 'doc/17', 'doc/17'])
  })

  it('that throws is not recorded, and the next attempt runs it at once', async () => {
    const [first, second] = await planners(2)
    const attempts: number[] = []
    const run = (context: typeof first, work: () => unknown) =>
      context!.step('flaky', step =>
        step.effect('flaky', ({ attempt }) => {
          attempts.push(attempt)
          return work()
        }),
      )
    await expect(
      run(first, () => {
        throw new Error('no route')
      }),
    ).rejects.toThrow('no route')
    expect((await run(second, () => undefined)).value).toBe(null)
    expect(attempts).toEqual([1, 2])
  })

  it.each([
    ['is not JSON', () => ({ at: new Date(0) }), /which JSON cannot carry/],
    ['does not fit into a change', () => 'x'.repeat(1_100_000), /has \d+ bytes/],
  ])('whose result %s was done all the same, and is not done again', async (_, work, why) => {
    const [first, second] = await planners(2)
    let calls = 0
    const pay = (context: typeof first) =>
      context!.step('pay', step =>
        step.effect('pay', () => {
          calls++
          return work()
        }),
      )
    const kept = { code: 'WEFT_EFFECT_RESULT', message: expect.stringMatching(why) }
    await expect(pay(first)).rejects.toMatchObject(kept)
    await expect(pay(first)).rejects.toMatchObject(kept)
    await second!.until(() => second!.effects().length === 1)
    await expect(pay(second)).rejects.toMatchObject(kept)
    expect(second!.effects()).toMatchObject([{ key: 'pay', outcome: 'done', result: null }])
    expect(calls).toBe(1)
  })

  it('of a branch is not what another one is given, nor is it done again there; a merge brings it', async () => {
    const [context] = await planners(1)
    await context!.append('memory', { text: 'begun' }).committed
    let calls = 0
    const ask = (branch: NonNullable<typeof context>, key = 'ask') =>
      branch.step('ask', async step => {
        const told = await step.effect(key, () => `${branch.branch} ${++calls}`)
        step.append('decision', { text: told })
        return told
      })
    const left = context!.fork('left')
    const right = context!.fork('right')
    await right.append('memory', { text: 'thought on the right' }).committed
    expect((await ask(right)).value).toBe('right 1')
    await expect(ask(left)).rejects.toMatchObject({
      code: 'WEFT_EFFECT_KEY',
      details: { key: 'ask', branch: 'right' },
    })
    expect(left.entries()).toHaveLength(1)
    expect((await ask(left, 'left:ask')).value).toBe('left 2')
    context!.merge('left', 'right')
    expect((await ask(context!)).value).toBe('right 1')
    expect(calls).toBe(2)
  })

  it('is in nobody’s way of a step that expects the heads that it began at', async () => {
    const [first, second] = await planners(2)
    await first!.append('memory', { text: 'begun' }).committed
    await second!.until(() => second!.entries().length === 1)
    const pay = (disturb: () => Promise<unknown>, key: string) =>
      first!.step(
        'pay',
        async step => {
          await step.effect(key, () => 1)
          await disturb()
          step.append('decision', { text: 'paid' })
        },
        { expect: { heads: first!.heads } },
      )
    expect((await pay(async () => {}, 'a')).change).toBeDefined()
    await expect(
      pay(() => second!.append('memory', { text: 'meanwhile' }).committed, 'b'),
    ).rejects.toMatchObject({
      code: 'WEFT_PRECONDITION',
    })
  })

  it('that relies on more than a peer holds it against is refused, and says so', async () => {
    const [context] = await planners(1)
    const dependsOn = Array.from({ length: 600 }, (_, index) => `ext:doc/${index}@v1`)
    await expect(
      context!.step('pay', step => step.effect('pay', () => 1, { dependsOn })),
    ).rejects.toMatchObject({
      code: 'WEFT_USAGE',
      message: expect.stringContaining('effect "pay" relies on 600 refs'),
    })
  })

  it('whose worker is gone is taken over when its lease has run out; what comes late is not recorded', async () => {
    const [lost, other] = await replicas(2)
    const [first, second] = [await planOn(lost!, 'first'), await planOn(other!, 'second')]
    let finish = (): void => {}
    const held = new Promise<void>(resolve => {
      finish = resolve
    })
    let begun = (): void => {}
    const running = new Promise<void>(resolve => {
      begun = resolve
    })
    const aborted: unknown[] = []
    const late = first.step('slow', step =>
      step.effect(
        'slow',
        async ({ signal }) => {
          begun()
          await held
          aborted.push(signal.reason.code)
          return 'late'
        },
        { ttl_ms: 80 },
      ),
    )
    await running
    await lost!.close({ discard: true })
    const { value } = await second.step('slow', step =>
      step.effect('slow', ({ attempt }) => `on time, at attempt ${attempt}`),
    )
    expect(value).toBe('on time, at attempt 2')
    finish()
    await expect(late).rejects.toMatchObject({ code: expect.stringMatching(/^WEFT_(LEASE_LOST|CLOSED)$/) })
    expect(aborted).toEqual([expect.stringMatching(/^WEFT_(LEASE_LOST|CLOSED)$/)])
    expect(second.effects()).toHaveLength(1)
  })

  it('is named by a key that no other step uses', async () => {
    const [context] = await planners(1)
    await context!.step('one', step => step.effect('key', () => 1))
    await expect(context!.step('two', step => step.effect('key', () => 2))).rejects.toMatchObject({
      code: 'WEFT_EFFECT_KEY',
      details: { step: 'one' },
    })
    await expect(context!.step('one', step => step.effect('', () => 2))).rejects.toMatchObject({
      code: 'WEFT_EFFECT_KEY',
    })
    const odd = 'mail:bob@example.com/ü?#'
    await context!.step('odd', step => step.effect(odd, () => 'sent'))
    expect((await context!.step('odd', step => step.effect(odd, () => 'again'))).value).toBe('sent')
  })
})
