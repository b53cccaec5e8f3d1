import { BranchWriter, ChangeSet, type Json, resolveOptions, type TokenCounter } from '@weft/core'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { histories, replicaOf } from '../support/core-history.ts'
import { comesUp, holds, seededDice, seededHost, sha256 } from '../support/core-property.ts'
import { answer, call, Kinds, talk } from '../support/window-talk.ts'
import { byLength, Talk, windowsOf } from '../support/window-values.ts'

describe('[WIN-2] calls and results that share an id', () => {
  test('are paired alike by whoever saw them come one by one, and by whoever sees them all at once', () => {
    let reverted = 0
    holds(fc.tuple(histories({ steps_max: 60 }), fc.nat()), ([{ changes, host }, seed]) => {
      const dice = seededDice(seed)
      // What is pinned is looked up first, before what came after it.
      const pin = { kinds: seed % 2 === 0 ? ['decision'] : [] }
      const recipe = resolveOptions({ budget: 1e9, count: byLength, as: 'parts', pin }, Talk)
      const set = replicaOf([])
      const windows = windowsOf(set)
      for (const change of changes) {
        set.add(change)
        if (dice(8) === 0) {
          new BranchWriter(set, host, 'main', 'undo').write({
            notes: { reverts: set.dag.packIds([dice(set.size)]) },
          })
          reverted++
        }
        if (dice(3) === 0) windows.make(recipe, byLength)
      }
      const [seen, anew] = [windows.make(recipe, byLength), windowsOf(set).make(recipe, byLength)]
      expect(seen.text).toBe(anew.text)
      expect(seen.leftOut).toEqual(anew.leftOut)
    })
    comesUp(reverted, 150)
  })

  test('cost a turn no more, however many there are', () => {
    const costs = [100, 1_000].map(turns => {
      const set = new ChangeSet(sha256)
      const writer = new BranchWriter(set, seededHost(1), 'main', 'agent')
      const turn = (n: number): void => {
        for (const value of [call('a'), answer('a', `the answer is ${n}`)] as Json[])
          writer.write({ entries: [{ kind: 'message', value }] })
      }
      for (let n = 0; n < turns; n++) turn(1_000 + n)
      const windows = windowsOf(set, set.view('main'), Kinds as never)
      let counted = 0
      const counter: TokenCounter = {
        name: 'counting',
        count: text => {
          counted++
          return text.length
        },
        adds: true,
      }
      const recipe = resolveOptions({ budget: 2_000, count: counter }, Kinds)
      const isAncestor = vi.spyOn(set.dag, 'isAncestor')
      windows.make(recipe, counter)
      const askedAtFirst = isAncestor.mock.calls.length
      counted = 0
      turn(1_000 + turns)
      windows.make(recipe, counter)
      const asked = isAncestor.mock.calls.length - askedAtFirst
      isAncestor.mockRestore()
      return { counted, asked, askedPerTurnAtFirst: askedAtFirst / turns }
    })
    expect(costs[1]).toEqual(costs[0])
    expect(costs[1]!.counted).toBeLessThan(10)
  })
})

/** What a window's text calls its calls, in order, and what it calls those that its results answer. */
function idsOf({ text }: { readonly text: string }): { calls: string[]; results: string[] } {
  const all = (pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, id]) => id!)
  return {
    calls: all(/(?:"type":"(?:tool_use|tool-call)",|[[,]\{)"(?:id|toolCallId)":"([^"]+)"/g),
    results: all(/(?:"tool_call_id|"tool_use_id|"tool-result","toolCallId|"tool-result","id)":"([^"]+)"/g),
  }
}

const FORMS = ['openai', 'ai-sdk', 'anthropic', 'parts'] as const
const GIVEN = /^call_0\d{19}$/

describe('[WIN-2] a call that bears the id of another', () => {
  test.each(FORMS)('is told by one that is made of where it is written, as %s', as => {
    const { write, make } = talk()
    write('message', call('x', 'call_0'))
    write('message', answer('call_0', 'one'))
    write('message', answer('x', 'one'))
    for (const text of ['two', 'three']) {
      write('message', call('call_0', 'call_0'))
      write('message', answer('call_0', `${text} of the latter`))
      write('message', answer('call_0', `${text} of the former`))
    }
    const { calls, results } = idsOf(make({ as }))
    expect(calls.slice(0, 2)).toEqual(['x', 'call_0'])
    expect(calls.slice(2).map(id => GIVEN.test(id))).toEqual([true, true, true, true])
    expect(new Set(calls).size).toBe(6)
    expect(results).toEqual(calls)
    expect(make({ as }).text.match(/of the \w+/g)).toEqual(
      ['former', 'latter', 'former', 'latter'].map(which => `of the ${which}`),
    )
  })

  test('[WIN-5] is told by the same one, whatever else the window holds', () => {
    const { write, make } = talk()
    for (const text of ['one', 'two', 'three']) {
      write('message', call('call_0'))
      write('message', answer('call_0', text))
    }
    const [whole, some] = [make(), make({ budget: 500 })]
    expect(some.leftOut.map(({ why }) => why)).toEqual(['budget', 'budget'])
    expect(idsOf(some).calls).toEqual(idsOf(whole).calls.slice(1))
    write('message', call('call_0'))
    write('message', answer('call_0', 'four'))
    expect(idsOf(make()).calls.slice(0, 3)).toEqual(idsOf(whole).calls)
  })

  test('is told by its own once the other is reverted', () => {
    const { set, writer, write, make } = talk()
    for (const text of ['one', 'two']) {
      write('message', call('call_0'))
      write('message', answer('call_0', text))
    }
    writer.write({ notes: { reverts: set.dag.packIds([0, 1]) } })
    expect(idsOf(make())).toEqual({ calls: ['call_0'], results: ['call_0'] })
  })

  test('is not taken for one that is written as a window has told it', () => {
    const { write, make } = talk()
    for (let turn = 0; turn < 2; turn++) {
      write('message', call('call_0'))
      write('message', answer('call_0'))
    }
    for (const message of make().messages) write('message', message as Json)
    const { calls, results } = idsOf(make())
    expect(calls.map(id => GIVEN.test(id))).toEqual([false, true, true, true])
    expect(new Set(calls).size).toBe(4)
    expect(results).toEqual(calls)
  })
})

describe('[WIN-2] an id that Anthropic does not take', () => {
  const strange = ['functions.look_it_up:0', 'functions_look_it_up:0', 'ü', `${'long'.repeat(20)}:1`]

  test('is made fit, and stays as it is for others', () => {
    const { write, make } = talk()
    for (const id of [...strange, 'toolu_1-A']) {
      write('message', call(id))
      write('message', answer(id))
    }
    const { calls, results } = idsOf(make({ as: 'anthropic' }))
    expect(calls[0]).toMatch(/^unctions_look_it_up_0\d{19}$/)
    expect(calls.at(-1)).toBe('toolu_1-A')
    expect(new Set(calls).size).toBe(calls.length)
    for (const id of calls) expect(id).toMatch(/^[a-zA-Z0-9_-]{1,40}$/)
    expect(results).toEqual(calls)
    for (const as of ['openai', 'ai-sdk', 'parts'] as const)
      expect(idsOf(make({ as })).calls).toEqual([...strange, 'toolu_1-A'])
  })
})
