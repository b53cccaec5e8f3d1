import { defineContext, o200k, type Receipt, type SummaryRange, type TokenCounter } from '@weft/replica'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { remakeWindow, hexHash } from '@weft/core'
import { refusal } from '../support/core-forge.ts'
import { sha256 } from '../support/core-property.ts'
import { replicaOf } from '../support/core-history.ts'
import { replicas } from '../support/steps-peer.ts'

const Talk = defineContext({
  name: 'talk',
  version: 3,
  state: z.object({ format: z.string() }),
  initial: { format: 'text' },
  entries: {
    message: z.object({ role: z.string(), content: z.string() }),
    memory: z.object({ text: z.string() }),
    rule: z.object({ text: z.string() }),
  },
  render: { rule: ({ text }) => ({ role: 'system', content: text }) },
  pinned: ['rule'],
})

async function open(count: number) {
  const all = await replicas(count)
  return Promise.all(all.map((replica, at) => replica.open(Talk, { workflow: 'wf', agent: `agent-${at}` })))
}

type Opened = Awaited<ReturnType<typeof open>>[number]

const said = (context: Opened, content: string): Receipt =>
  context.append('message', { role: 'user', content })
const letters: TokenCounter = { name: 'letters', count: text => text.length, adds: true }
const textsOf = (context: Opened) => context.window({ budget: 5_000 }).messages.map(({ content }) => content)

describe('windows of a context', () => {
  test('[WIN-4] are the same bytes on two replicas, and on a snapshot of the same heads', async () => {
    const [here, there] = await open(2)
    said(here!, 'hello')
    here!.append('rule', { text: 'be brief' })
    await here!.flush()
    await there!.until(() => there!.heads.join() === here!.heads.join())
    const options = { budget: 1_000, as: 'anthropic' } as const
    const window = here!.window(options)
    expect(there!.window(options)).toMatchObject({ text: window.text, digest: window.digest })
    expect(window.system).toEqual([{ type: 'text', text: 'be brief' }])
    expect(window.digest).toBe(hexHash(sha256, new TextEncoder().encode(window.text)))
    expect(window.tokens).toBeGreaterThanOrEqual(o200k.count(window.text))
  })

  test('[WIN-1] count by o200k unless told otherwise; special tokens and endless runs are text', async () => {
    const [context] = await open(1)
    said(context!, '<|endoftext|>')
    said(context!, 'ab'.repeat(40_000))
    expect(context!.window({ budget: 5_000 }).included).toHaveLength(1)
    expect(context!.window({ budget: 200_000 }).tokens).toBeLessThan(60_000)
    expect(context!.window({ budget: 90_000, count: letters }).counter).toBe('letters')
  })

  test('[STP-1] [STP-2] a step sees its snapshot, and records what makes each of its windows again', async () => {
    const [here, there] = await open(2)
    await said(here!, 'first').committed
    const { change, value } = await here!.step('answer', async step => {
      await there!.until(() => there!.entries().length === 1)
      await said(there!, 'meanwhile').committed
      await here!.until(() => here!.entries().length === 2)
      const small = step.window({ budget: 500, count: letters, as: 'ai-sdk' })
      const window = step.window({ budget: 1_000, staleness: 'drop' })
      expect(step.window({ budget: 1_000, staleness: 'drop' }).text).toBe(window.text)
      step.append('message', { role: 'assistant', content: 'second' })
      return [small, window]
    })
    expect(value.map(({ messages }) => messages.length)).toEqual([1, 1])
    await there!.until(() => there!.entries().length === 3)
    const known = replicaOf(there!.changes())
    const node = known.dag.node(change!)
    const { notes } = known.change(node).header
    expect(notes.schema).toEqual({ name: 'talk', version: 3 })
    const tools = { counters: [letters, o200k], renderers: Talk.render, hash: sha256 }
    expect(notes.windows!.map(record => remakeWindow(known, node, record, tools).text)).toEqual(
      value.map(({ text }) => text),
    )
    const [counted] = notes.windows!
    expect(refusal(() => remakeWindow(known, node, counted!, { ...tools, counters: [o200k] })).code).toBe(
      'WEFT_COUNTER_UNKNOWN',
    )
    for (const altered of [
      { ...counted!, digest: new Uint8Array(32) },
      { ...counted!, format: 2 },
    ]) {
      expect(refusal(() => remakeWindow(known, node, altered, tools)).code).toBe('WEFT_WINDOW_DIFFERS')
    }
  })

  test('[STL-1] [STL-4] what a step saw in a window it was derived from, in as few refs as will do', async () => {
    const [context] = await open(1)
    const memory = context!.append('memory', { text: 'the offer is 5' }, { dependsOn: ['ext:offer@v1'] })
      .entries[0]!
    const question = said(context!, 'what is the offer?').entries[0]!
    const turn = (content: string) =>
      context!.step('turn', step => {
        step.window({ budget: 1_000 })
        step.append('message', { role: 'assistant', content })
      })
    const first = (await turn('it is 5')).entries[0]!
    const next = said(context!, 'sure?').entries[0]!
    const second = (await turn('yes')).entries[0]!
    const refsOf = (entry: string) =>
      context!
        .why(entry)
        .reads.map(({ ref }) => ref)
        .toSorted()
    expect(refsOf(first)).toEqual([`entry:${memory}`, `entry:${question}`].toSorted())
    expect(refsOf(second)).toEqual([`entry:${first}`, `entry:${next}`].toSorted())
    context!.touch('ext:offer', 'v2')
    expect(context!.stale().map(({ entry }) => entry)).toEqual([memory, first, second])
    expect(context!.blastRadius(`entry:${question}`).entries).toEqual([first, second])
    expect(textsOf(context!)[0]).toBe('[stale] [memory] the offer is 5')
  })

  test('a step that has ended makes none, and one makes at most 32 different ones', async () => {
    const [context] = await open(1)
    let ended: (() => unknown) | undefined
    await context!.step('many', step => {
      for (let budget = 100; budget < 132; budget++) step.window({ budget })
      step.window({ budget: 100 })
      expect(refusal(() => step.window({ budget: 99 })).code).toBe('WEFT_WINDOW_OPTIONS')
      ended = () => step.window({ budget: 100 })
    })
    expect(refusal(() => ended!()).code).toBe('WEFT_STEP_ENDED')
  })
})

describe('[CMP-1] summarize', () => {
  test('writes an entry that windows everywhere show instead of the range', async () => {
    const [here, there] = await open(2)
    await said(here!, 'one').committed
    const { heads } = here!
    said(here!, 'two')
    here!.append('rule', { text: 'be brief' })
    said(here!, 'three')
    const seen: string[] = []
    const receipt = await here!.summarize(
      { from: heads },
      async entries => {
        seen.push(...entries.map(({ kind }) => kind))
        return 'two and three'
      },
      { reason: 'it was long' },
    )
    said(here!, 'four')
    expect(seen).toEqual(['message', 'rule', 'message'])
    expect(textsOf(here!)).toEqual(['be brief', 'one', '[weft.summary] two and three', 'four'])
    await here!.flush()
    await there!.until(() => there!.heads.join() === here!.heads.join())
    expect(textsOf(there!)).toEqual(textsOf(here!))
    expect([...there!.audit({ kind: 'weft.summary' })]).toMatchObject([{ reason: 'it was long' }])
    here!.revert({ change: receipt.change! })
    expect(textsOf(here!)).toEqual(['be brief', 'one', 'two', 'three', 'four'])
  })

  test('what is written while the summary is made survives, and marks it, at once where it arrives', async () => {
    const [here, there] = await open(2)
    await said(here!, 'one').committed
    await there!.until(() => there!.entries().length === 1)
    const invalid: unknown[] = []
    there!.onInvalidated(stale => invalid.push(...stale.map(({ entry }) => entry)))
    said(here!, 'two')
    const summary = await here!.summarize({}, async () => {
      await said(there!, 'beside two').committed
      await here!.until(() => here!.entries().length === 3)
      return 'one and two'
    })
    await here!.flush()
    await there!.until(() => there!.heads.join() === here!.heads.join())
    expect(textsOf(here!)).toEqual(['[stale] [weft.summary] one and two', 'beside two'])
    expect(textsOf(there!)).toEqual(textsOf(here!))
    expect(invalid).toEqual(summary.entries)
    expect(here!.why(summary.entries[0]!).stale?.causes).toMatchObject([
      { kind: 'stale-read', read: 'branch:main' },
    ])
  })

  const refused: readonly (readonly [string, SummaryRange, () => string, string])[] = [
    ['an empty range', { to: 0 }, () => 'text', 'WEFT_SUMMARY_EMPTY'],
    ['a text that is none', {}, () => 7 as never, 'WEFT_SUMMARY_EMPTY'],
    ['a blank text', {}, () => ' ', 'WEFT_SUMMARY_EMPTY'],
    ['a position that is not known', { to: 99 }, () => 'text', 'WEFT_POSITION_UNKNOWN'],
    ['a change that is not here', { to: ['0'.repeat(64)] }, () => 'text', 'WEFT_CHANGE_UNKNOWN'],
  ]
  test.each(refused)('%s is refused, and nothing is written', async (_, range, summarizer, code) => {
    const [context] = await open(1)
    await said(context!, 'one').committed
    const before = context!.digest()
    await expect(context!.summarize(range, summarizer)).rejects.toMatchObject({ code })
    expect(context!.digest()).toBe(before)
  })

  test('a change of another branch is refused', async () => {
    const [context] = await open(1)
    said(context!, 'one')
    const branch = context!.fork('aside')
    const { change } = said(branch, 'aside')
    await expect(context!.summarize({ to: [change!] }, () => 'text')).rejects.toMatchObject({
      code: 'WEFT_CHANGE_UNKNOWN',
    })
  })
})
