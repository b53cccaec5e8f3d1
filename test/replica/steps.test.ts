import type { Stale } from '@weft/replica'
import { describe, expect, it } from 'vitest'
import { planOn, replicas } from '../support/steps-peer.ts'

async function recordOf(context: Awaited<ReturnType<typeof planOn>>, change: string | undefined) {
  const record = [...context.audit()].find(each => each.change === change)
  if (record === undefined) throw new Error('the step wrote nothing')
  return record
}

const refsOf = (reads: readonly { ref: string; version?: string }[]): string[] =>
  reads.map(({ ref, version }) => (version === undefined ? ref : `${ref}@${version}`))

describe('steps', () => {
  it('[STP-1] writes entries and state as one change that depends on what it saw', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    await context.append('memory', { text: 'before' }).committed
    const before = context.heads
    const { change, value, entries } = await context.step('decide', step => {
      step.append('decision', { text: 'json' }).append('decision', { text: 'and soon' })
      step.change(state => {
        state.format = 'json'
      })
      return step.state.format
    })
    expect(value).toBe('json')
    const record = await recordOf(context, change)
    expect(record.deps).toEqual(before)
    expect(record.entries.map(entry => entry.id)).toEqual(entries)
    expect(record.pointers).toEqual(['/format'])
  })

  it('[STP-1] reads one snapshot and its own writes, whatever arrives meanwhile; that is concurrent to it', async () => {
    const [first, second] = await replicas(2)
    const planner = await planOn(first!, 'planner')
    await planner.change(state => {
      state.format = 'text/plain'
    }).committed
    const other = await planOn(second!, 'other')
    const { change } = await planner.step('slow', async step => {
      step.change(state => {
        state.count += 1
      })
      await other.change(state => {
        state.format = 'html'
      }).committed
      await planner.until(() => planner.state.format === 'html')
      expect(step.state.format).toBe('text/plain')
      expect(step.state.count).toBe(1)
      step.append('decision', { text: `keep ${step.state.format}` })
    })
    const records = [...planner.audit()]
    const late = records.find(record => record.agent === 'other')!
    const mine = await recordOf(planner, change)
    expect(mine.deps).not.toContain(late.change)
    expect(late.deps).not.toContain(mine.change)
    expect(planner.state).toMatchObject({ format: 'html', count: 1 })
  })

  it('[STP-1] entries that arrive during a step are none of its snapshot, seen before or not', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    context.append('memory', { text: 'before' })
    const textsIn = (step: { entries(): readonly { value: { text: string } }[] }): string[] =>
      step.entries().map(({ value }) => value.text)
    await context.step('looks twice', step => {
      expect(textsIn(step)).toEqual(['before'])
      context.append('memory', { text: 'meanwhile' })
      expect(textsIn(step)).toEqual(['before'])
    })
    await context.step('looks late', step => {
      context.append('memory', { text: 'later' })
      expect(textsIn(step)).toEqual(['before', 'meanwhile'])
    })
  })

  it('[STP-1] steps that overlap on one handle write as different actors', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    let release = (): void => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const slow = context.step('slow', async step => {
      await held
      step.append('decision', { text: 'slow' })
    })
    const quick = await context.step('quick', step => void step.append('decision', { text: 'quick' }))
    release()
    const [a, b] = await Promise.all([
      recordOf(context, quick.change),
      recordOf(context, (await slow).change),
    ])
    expect(a.actor).not.toBe(b.actor)
    expect(b.deps).not.toContain(a.change)
  })

  it('[STP-1] a step that throws has written nothing, and cannot write later', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    const before = context.digest()
    let escaped: { append(kind: 'decision', value: { text: string }): unknown } | undefined
    const failing = context.step('fails', step => {
      step.append('decision', { text: 'lost' }).change(state => {
        state.count = 7
      })
      escaped = step
      throw new Error('the model is down')
    })
    await expect(failing).rejects.toThrow('the model is down')
    expect(context.digest()).toBe(before)
    expect(() => escaped?.append('decision', { text: 'late' })).toThrowError(
      expect.objectContaining({ code: 'WEFT_STEP_ENDED' }),
    )
    const refused = context.step('refused', step => void step.append('decision', { text: 1 as never }))
    await expect(refused).rejects.toMatchObject({ code: 'WEFT_SCHEMA_REFUSED' })
    expect(context.digest()).toBe(before)
  })

  it('[STP-2] the change carries manifest, step, schema, reason and trace', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    const { change } = await context.step('decide', step => void step.append('decision', { text: 'x' }), {
      reason: 'asked by the user',
      trace: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    })
    const { notes } = context.changes().find(each => each.id === change)!.header
    expect(notes).toMatchObject({
      step: 'decide',
      schema: { name: 'plan', version: 2 },
      reason: 'asked by the user',
      trace: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    })
  })

  it('[STL-1] what a step reads is recorded: values, whole containers, entries, dependencies; what it writes is not', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    const { entries } = await context.step('prepare', step => {
      step.append('memory', { text: 'one' }).append('memory', { text: 'two' })
      step.change(state => {
        state.constraints = { budget: 5, nested: { deep: true } }
      })
    })
    const { change } = await context.step('read', step => {
      const { format } = step.state
      const { nested } = step.state.constraints as { nested: { deep: boolean } }
      const seen = step.entries().find(entry => entry.id === entries[1])
      step.dependsOn('ext:doc/17@v3')
      step.change(state => void state.plan.push(`${format} ${nested.deep} ${seen?.value.text}`))
      step.change(state => {
        state.count = (state.constraints.budget as number) + 1
      })
      step.append('decision', { text: 'done' }, { dependsOn: ['ext:doc/18'] })
    })
    const { reads } = await recordOf(context, change)
    expect(refsOf(reads)).toEqual([
      'state:/constraints/budget',
      'state:/constraints/nested/deep',
      'state:/format',
      `entry:${entries[1]}`,
      'ext:doc/17@v3',
      'ext:doc/18',
    ])
    const whole = await context.step(
      'whole',
      step => void step.append('decision', { text: JSON.stringify(step.state.plan) }),
    )
    expect(refsOf((await recordOf(context, whole.change)).reads)).toEqual(['state:/plan'])
  })

  it('[STL-1] [STL-4] what a step reads of a long context fits into its manifest, and leads to all of it', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    const source = context.append('memory', { text: 'source' }, { dependsOn: ['ext:doc/1'] }).entries[0]!
    const turn = async (step: string) => {
      const { entries } = await context.step(step, each => {
        each.append('decision', { text: String(each.entries().filter(({ value }) => value.text).length) })
      })
      return entries[0]!
    }
    for (let i = 0; i < 900; i++) context.append('memory', { text: `${i}` })
    const first = await turn('first')
    for (let i = 0; i < 30; i++) context.append('memory', { text: `later ${i}` })
    const second = await turn('second')
    const [before, after] = [first, second].map(entry => context.why(entry).reads.map(({ ref }) => ref))
    expect(before).toHaveLength(512)
    expect(after).toContain(`entry:${first}`)
    // What the first could not name the second does; what the first leads to it need not.
    const all = context.entries().map(({ id }) => `entry:${id}`)
    expect([...before!, ...after!, `entry:${second}`].sort()).toEqual(all.sort())
    expect(context.blastRadius('ext:doc/1').entries).toEqual([source, first, second])
    context.touch('ext:doc/1')
    expect([source, first, second].map(entry => context.why(entry).stale !== undefined)).toEqual([
      true,
      true,
      true,
    ])
  })

  it('[STL-1] [STL-2] what a step reads of a large state fits into its manifest, and covers all of it', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    const constraints = Object.fromEntries(
      Array.from({ length: 2_000 }, (_, at) => [`rule-${at}`, { text: 'x', nested: { limit: at } }]),
    )
    await context.change(state => void Object.assign(state.constraints, constraints)).committed
    const { entries } = await context.step('read', step => {
      const { format } = step.state
      const rules = step.state.constraints as typeof constraints
      const sum = Array.from({ length: 2_000 }, (_, at) => rules[`rule-${at}`]!.nested.limit)
      step.append('decision', { text: `${format} ${sum.length}` })
    })
    expect(context.why(entries[0]!).reads.map(({ ref }) => ref)).toEqual([
      'state:/constraints',
      'state:/format',
    ])
    context.change(state => {
      ;(state.constraints as typeof constraints)['rule-1999']!.nested.limit = 0
    })
    expect(context.why(entries[0]!).stale?.causes).toMatchObject([{ kind: 'superseded' }])
  })

  it('[STL-1] an entry is an entry however it is looked at: copied, printed, taken apart', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    const receipt = context.append('memory', { text: 'seen' })
    for (const look of [
      (entry: object) => ({ ...entry }),
      (entry: object) => JSON.parse(JSON.stringify(entry)) as object,
      (entry: object) => Object.fromEntries(Object.entries(entry)),
    ]) {
      const { change } = await context.step('looks', step => {
        const entry = step.entries()[0]!
        expect(Object.isFrozen(entry)).toBe(true)
        expect(look(entry)).toEqual(context.entries()[0])
        step.append('decision', { text: 'done' })
      })
      expect(refsOf((await recordOf(context, change)).reads)).toEqual([`entry:${receipt.entries[0]}`])
    }
    const { change } = await context.step('counts', step => {
      step.append('decision', { text: `${step.entries().filter(({ kind }) => kind === 'memory').length}` })
    })
    expect((await recordOf(context, change)).reads).toEqual([])
  })

  it('[STL-1] state is seen as it is, and what is seen is recorded, however it is looked at', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    context.change(state => {
      state.plan = ['one', 'two']
      state.constraints = { nested: { list: [1, { deep: true }] } }
    })
    const plain = context.state
    type State = typeof plain
    const looks: readonly [(state: State) => unknown, string[]][] = [
      [state => ({ ...state }), ['state:']],
      [state => [...state.plan, state.plan.length, state.plan.at(-1)], ['state:/plan']],
      [state => JSON.stringify(state.constraints), ['state:/constraints']],
      [state => Object.keys(state.constraints), ['state:/constraints']],
      [state => Object.hasOwn(state.constraints, 'budget'), ['state:/constraints/budget']],
      [state => Object.getOwnPropertyDescriptor(state.plan, 'length')?.value, ['state:/plan']],
      [state => Object.getOwnPropertyDescriptor(state, 'format')?.value, ['state:/format']],
      [state => 'budget' in state.constraints, ['state:/constraints/budget']],
      [
        state => [Array.isArray(state.plan), state.plan.indexOf('two'), state.plan.includes('x')],
        ['state:/plan'],
      ],
    ]
    for (const [look, read] of looks) {
      const { change } = await context.step('looks', step => {
        expect(look(step.state)).toEqual(look(plain))
        step.append('decision', { text: 'done' })
      })
      expect(refsOf((await recordOf(context, change)).reads), String(look)).toEqual(read)
    }
  })

  it('[STL-1] the state of a step is immutable', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    await context.step('mutates', step => {
      expect(() => Object.assign(step.state, { format: 'x' })).toThrow(TypeError)
      expect(() => (step.state.plan as string[]).push('x')).toThrow(TypeError)
    })
    expect(context.state.format).toBe('text')
  })

  it('[STL-3] [STL-5] a replica tells of what a write made stale in the turn in which it takes the write in', async () => {
    const [first, second] = await replicas(2)
    const reader = await planOn(first!, 'reader')
    await reader.change(state => {
      state.format = 'json'
    }).committed
    const writer = await planOn(second!, 'writer')
    const { entries } = await reader.step('decide', step => {
      step.append('decision', { text: step.state.format })
    })
    await reader.step('build on it', step => {
      step.append('decision', { text: 'so' }, { dependsOn: [`entry:${entries[0]}`] })
    })
    const told: Stale[] = []
    const inTurn: boolean[] = []
    reader.onInvalidated(stale => {
      told.push(...stale)
      inTurn.push(reader.state.format === 'html')
    })
    await writer.until(() => writer.entries().length === 2)
    const receipt = writer.change(state => {
      state.format = 'html'
    })
    await reader.until(() => told.length > 0)
    expect(inTurn).toEqual([true])
    expect(told.map(stale => stale.causes.map(cause => [cause.kind, cause.change, cause.wrote]))).toEqual([
      [['superseded', receipt.change, 'state:/format']],
      [],
    ])
    expect(told[1]?.via).toEqual([entries[0]])
    expect(reader.why(entries[0]!).reads).toEqual([{ ref: 'state:/format' }])
  })

  it('[STL-5] tells every listener, whoever else has looked in the meantime', async () => {
    const [first, second] = await replicas(2)
    const planner = await planOn(first!, 'planner')
    const told: string[][] = [[], []]
    const note = (who: number) => (stale: readonly Stale[]) =>
      void told[who]!.push(...stale.flatMap(({ entry }) => entry ?? []))
    planner.onChange(() => planner.stale())
    for (const who of [0, 1]) planner.onInvalidated(note(who))
    const entries = ['a', 'b'].flatMap(
      text => planner.append('memory', { text }, { dependsOn: [`ext:doc/${text}@v1`] }).entries,
    )
    await planner.flush()
    const other = await planOn(second!, 'other')
    for (const text of ['a', 'b']) await other.touch(`ext:doc/${text}`, 'v2').committed
    await planner.until(() => planner.stale().length === 2)
    expect(told).toEqual([entries, entries])
  })

  it('[STL-3] [MRG-3] a merge reports what is stale by it alone, the same on every replica', async () => {
    const [first, second] = await replicas(2)
    const main = await planOn(first!, 'planner')
    const report = await main.fanOut(['reads', 'writes'], async branch => {
      await branch.step('work', step => {
        if (branch.branch === 'writes')
          step.change(state => {
            state.format = 'html'
          })
        else step.append('decision', { text: `as ${step.state.format}` })
      })
    })
    expect(report.staleReads).toHaveLength(1)
    expect(report.staleReads[0]).toMatchObject({
      branch: 'reads',
      causes: [{ kind: 'stale-read', wrote: 'state:/format' }],
    })
    const other = await planOn(second!, 'auditor')
    await other.until(() => other.digest() === main.digest())
    const { receipt, ...expected } = report
    expect(other.mergeReport(receipt.change!)).toEqual(expected)
  })

  it('[STL-6] touching an external ref makes stale what read another version; the blast radius names it', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    const { entries } = await context.step('cite', step => {
      step.append('memory', { text: 'v3' }, { dependsOn: ['ext:doc/17@v3'] })
      step.append('memory', { text: 'v4' }, { dependsOn: ['ext:doc/17@v4'] })
    })
    context.touch('ext:doc/17', 'v4')
    expect(context.stale().map(stale => stale.entry)).toEqual([entries[0]])
    expect(context.blastRadius('ext:doc/17').entries).toEqual(entries)
    expect(context.blastRadius('ext:doc/17@v3').entries).toEqual([entries[0]])
    expect(() => context.touch('doc/17')).toThrowError(expect.objectContaining({ code: 'WEFT_REF_INVALID' }))
  })

  it('[STL-5] invalidations can be awaited one by one until a signal ends them', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    await context.step('cite', step => void step.append('memory', { text: 'a' }, { dependsOn: ['ext:a@1'] }))
    const stop = new AbortController()
    const seen: Stale[] = []
    const listening = (async () => {
      for await (const stale of context.invalidations({ signal: stop.signal })) {
        seen.push(stale)
        stop.abort()
      }
    })()
    await Promise.resolve()
    context.touch('ext:a', '2')
    await listening
    expect(seen).toHaveLength(1)
  })
})
