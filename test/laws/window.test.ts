import {
  type ChangeSet,
  type EntryId,
  type LeftOutEntry,
  resolveOptions,
  type TokenCounter,
  type Window,
  type WindowFormat,
  type WindowOptions,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deliver, deliveries, histories, replicaOf } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { comesUp, holds } from '../support/core-property.ts'
import {
  byFours,
  byLength,
  bySevens,
  expectAiSdk,
  expectAnthropic,
  expectOpenAi,
  Talk,
  windowsOf,
} from '../support/window-values.ts'

const COUNTERS: readonly TokenCounter[] = [byLength, byFours, bySevens]

const options: fc.Arbitrary<WindowOptions> = fc
  .record({
    budget: fc.integer({ min: 1, max: 2_500 }),
    count: fc.constantFrom(...COUNTERS),
    as: fc.constantFrom<WindowFormat>('openai', 'ai-sdk', 'anthropic', 'parts'),
    order: fc.constantFrom('branches' as const, 'interleaved' as const),
    pinned: fc.nat(15),
  })
  .map(({ pinned, budget, ...rest }) => ({
    ...rest,
    // About as many letters by each counter, so that all have to leave something out.
    budget: Math.ceil((budget * rest.count.count('x'.repeat(28))) / 28),
    ...(pinned === 0 && { pin: { kinds: ['decision'] } }),
  }))

function windowOf(set: ChangeSet, chosen: WindowOptions): Window | undefined {
  try {
    return windowsOf(set).make(resolveOptions(chosen, Talk), chosen.count)
  } catch (error) {
    expect(error).toMatchObject({ code: 'WEFT_WINDOW_BUDGET' })
    return undefined
  }
}

function contentOf(window: Window): unknown {
  const { system, messages, parts } = window as Partial<Window<'anthropic'> & Window<'parts'>>
  return parts ?? (system === undefined ? messages : { system, messages })
}

const CHECKS: Readonly<Record<WindowFormat, (window: Window) => void>> = {
  openai: window => expectOpenAi((window as Window<'openai'>).messages),
  'ai-sdk': window => expectAiSdk((window as Window<'ai-sdk'>).messages),
  anthropic: window => expectAnthropic((window as Window<'anthropic'>).messages),
  parts: () => {},
}

const talks = histories({ steps_max: 60 })

describe('a window', () => {
  test('[WIN-1] is never over its budget, counted by its counter on what is emitted; too much pinned is an error', () => {
    holds(fc.tuple(talks, options), ([{ changes }, chosen]) => {
      const set = replicaOf(changes)
      const window = windowOf(set, chosen)
      if (window === undefined) {
        expect(chosen.pin !== undefined || chosen.budget < chosen.count.count('x'.repeat(150))).toBe(true)
        return
      }
      expect(JSON.stringify(contentOf(window))).toBe(window.text)
      expect(chosen.count.count(window.text)).toBeLessThanOrEqual(chosen.budget)
      expect(window.tokens).toBeLessThanOrEqual(chosen.budget)
      if (chosen.count === byLength)
        expect(Math.abs(window.tokens - window.text.length)).toBeLessThanOrEqual(2)
      const included = new Set(window.included.map(({ entry }) => entry))
      if (chosen.pin === undefined) return
      for (const { id, kind } of set.entries(set.everything()))
        if (kind === 'decision') expect(included).toContain(id)
    })
  })

  test('[WIN-2] holds a tool call with its results, next to each other, or none of them', () => {
    holds(fc.tuple(talks, options), ([{ changes }, chosen]) => {
      const window = windowOf(replicaOf(changes), chosen)
      if (window) CHECKS[chosen.as ?? 'openai'](window)
    })
  })

  test('[WIN-3] every entry is in it or left out, never both, with a reason that holds', () => {
    holds(fc.tuple(talks, options), ([{ changes }, chosen]) => {
      const set = replicaOf(changes)
      const window = windowOf(set, chosen)
      if (window === undefined) return
      const all = set.entries(set.everything(), { order: chosen.order! }).map(({ id }) => id)
      const told = [...window.included, ...window.leftOut].map(({ entry }) => entry)
      expect(told.toSorted()).toEqual(all.toSorted())
      expect(window.leftOut.map(({ entry }) => entry)).toEqual(all.filter(id => reasonFor(window, id)))
      const everything = windowOf(set, { ...chosen, budget: 1e9 })!
      for (const { entry, why } of everything.leftOut) {
        expect(['incomplete', 'empty']).toContain(why)
        if (chosen.pin === undefined) expect(reasonFor(window, entry)?.why).toBe(why)
      }
    })
  })

  test('[WIN-2] with room for all, just those are missing that have no partner, or are bound to such', () => {
    holds(talks, ({ changes }) => {
      const set = replicaOf(changes)
      const window = windowOf(set, { budget: 1e9, count: byLength })!
      const missing = window.leftOut.filter(({ why }) => why === 'incomplete').map(({ entry }) => entry)
      const bad = incompleteOf(pairedOf(set, new Oracle(changes)))
      expect(missing.toSorted()).toEqual([...bad].toSorted())
    })
  })

  test("[WIN-2] tells a result by its call's id, the first to bear one keeps it, and no two bear the same", () => {
    let others = 0
    holds(talks, ({ changes }) => {
      const set = replicaOf(changes)
      const { ends, partners } = pairedOf(set, new Oracle(changes))
      const bad = incompleteOf({ ends, partners })
      const expected = ends
        .filter(({ side, entry }) => side === 'call' && !bad.has(entry))
        .map(call => {
          const isFirst = call === ends.find(({ side, id }) => side === 'call' && id === call.id)
          return `${isFirst ? call.id : 'another'}: ${numberOf(set, call)} ${numberOf(set, partners.get(call)!)}`
        })
      const window = windowOf(set, { budget: 1e9, count: byLength, as: 'parts' }) as Window<'parts'>
      const parts = window.parts.flatMap(message => message.parts)
      const calls = parts.flatMap(part => (part.type === 'tool-call' ? [part] : []))
      const told = calls.map(({ id, input }) => {
        const outputs = parts.flatMap(part =>
          part.type === 'tool-result' && part.id === id ? [Number.parseInt(String(part.output), 10)] : [],
        )
        return `${/^c\d$/.test(id) ? id : 'another'}: ${JSON.parse(input).n} ${outputs}`
      })
      expect(told.toSorted()).toEqual(expected.toSorted())
      expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length)
      others += told.filter(text => text.startsWith('another')).length
    })
    comesUp(others, 75)
  })

  test('[WIN-4] is the same, byte for byte, on every replica, however the changes came and were read before', () => {
    holds(fc.tuple(talks, options, deliveries), ([{ changes }, chosen, delivery]) => {
      const one = windowOf(replicaOf(changes), chosen)
      const other = windowOf(deliver(changes, delivery), chosen)
      expect(other?.text).toBe(one?.text)
      expect(other?.digest).toBe(one?.digest)
      expect(other?.leftOut).toEqual(one?.leftOut)
      // And on one that has made a window after every change.
      const set = replicaOf([])
      const windows = windowsOf(set)
      for (const change of changes) {
        set.add(change)
        try {
          windows.make(resolveOptions({ ...chosen, pin: {} }, Talk), chosen.count)
        } catch (error) {
          expect(error).toMatchObject({ code: 'WEFT_WINDOW_BUDGET' })
        }
      }
      if (one) expect(windows.make(resolveOptions(chosen, Talk), chosen.count).text).toBe(one.text)
    })
  })

  test('[WIN-4] what was left out is told as it was, also when it is asked for later', () => {
    holds(fc.tuple(talks, options), ([{ changes }, chosen]) => {
      const half = changes.slice(0, changes.length >> 1)
      const set = replicaOf(half)
      const early = windowOf(set, chosen)
      const asked = windowOf(replicaOf(half), chosen)?.leftOut
      for (const change of changes) set.add(change)
      expect(early?.leftOut).toEqual(asked)
    })
  })

  test('[ORD-1] tells its history in the order of the context, pinned entries before it', () => {
    holds(fc.tuple(talks, options), ([{ changes }, chosen]) => {
      const set = replicaOf(changes)
      const window = windowOf(set, chosen)
      if (window === undefined) return
      const place = new Map(
        set.entries(set.everything(), { order: chosen.order! }).map(({ id }, at) => [id, at]),
      )
      const tiers = window.included.map(({ tier }) => tier)
      expect(tiers).toEqual(tiers.toSorted((a, b) => (a === b ? 0 : a === 'pinned' ? -1 : 1)))
      const alone = window.included.filter(
        ({ entry, tier }) => tier === 'history' && endsOf(set, [entry]).length === 0,
      )
      const places = alone.map(({ entry }) => place.get(entry)!)
      expect(places).toEqual(places.toSorted((a, b) => a - b))
    })
  })
})

function reasonFor(window: Window, id: EntryId): LeftOutEntry | undefined {
  return window.leftOut.find(({ entry }) => entry === id)
}

interface End {
  readonly entry: EntryId
  readonly change: string
  readonly id: string
  readonly side: 'call' | 'result'
}

/** The calls and results in these entries, found in the text of what they say. */
function endsOf(set: ChangeSet, entries: readonly EntryId[]): End[] {
  return entries.flatMap(entry => {
    const [change, index] = entry.split('.')
    const { kind, value } = set.entriesOf(set.dag.node(change!))[Number(index)]!
    const text = JSON.stringify(Talk.render[kind]!(value as never)) ?? ''
    const found = (pattern: RegExp, side: End['side']): End[] =>
      [...text.matchAll(pattern)].map(([, id]) => ({ entry, change: change!, id: id!, side }))
    return [...found(/"id":"(c\d)"/g, 'call'), ...found(/"(?:tool_call_id|tool_use_id)":"(c\d)"/g, 'result')]
  })
}

function numberOf(set: ChangeSet, { entry, change }: End): number {
  const { value } = set.entriesOf(set.dag.node(change)).find(({ id }) => id === entry)!
  return (value as { n: number }).n
}

interface Paired {
  /** In order. */
  readonly ends: readonly End[]
  readonly partners: ReadonlyMap<End, End>
}

/** By the words of the law, over all pairs: which result answers which call. */
function pairedOf(set: ChangeSet, causes: Oracle): Paired {
  const ids = causes.flattened().flatMap(change => set.entriesOf(set.dag.node(change)).map(({ id }) => id))
  const ends = endsOf(set, ids)
  const partners = new Map<End, End>()
  const knows = (result: End, call: End): boolean =>
    call.change === result.change
      ? ids.indexOf(call.entry) <= ids.indexOf(result.entry)
      : causes.isAncestor(call.change, result.change)
  const join = (admits: (result: End, call: End) => boolean, latest: boolean): void => {
    for (const result of ends) {
      if (result.side !== 'result' || partners.has(result)) continue
      const calls = ends.filter(end => end.side === 'call' && end.id === result.id && !partners.has(end))
      const call = calls.filter(each => admits(result, each)).at(latest ? -1 : 0)
      if (call) partners.set(result, call).set(call, result)
    }
  }
  join(knows, true)
  join(
    (result, call) => call.change !== result.change && !causes.isAncestor(result.change, call.change),
    false,
  )
  return { ends, partners }
}

/** Who has no partner, and who is bound to one that has none. */
function incompleteOf({ ends, partners }: Paired): ReadonlySet<EntryId> {
  const bad = new Set(ends.filter(end => !partners.has(end)).map(({ entry }) => entry))
  for (let grown = true; grown; ) {
    const { size } = bad
    for (const [end, partner] of partners) if (bad.has(partner.entry)) bad.add(end.entry)
    grown = bad.size > size
  }
  return bad
}
