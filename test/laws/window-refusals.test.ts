import { defineContext, resolveOptions, SUMMARY_KIND, type TokenCounter } from '@weft/core'
import { describe, expect, test } from 'vitest'
import { codeOf, forged, refusal } from '../support/core-forge.ts'
import { Kinds, talk } from '../support/window-talk.ts'
import { Talk, windowsOf } from '../support/window-values.ts'

describe('what cannot be is refused by code, and changes nothing', () => {
  test.each([
    ['a budget of 0', { budget: 0 }, 'WEFT_WINDOW_OPTIONS'],
    ['a budget that is not whole', { budget: 10.5 }, 'WEFT_WINDOW_OPTIONS'],
    ['a budget that is no number', { budget: '10' }, 'WEFT_WINDOW_OPTIONS'],
    ['no budget', { budget: undefined }, 'WEFT_WINDOW_OPTIONS'],
    ['a form that nobody knows', { as: 'gemini' }, 'WEFT_WINDOW_OPTIONS'],
    ['an order that nobody knows', { order: 'newest' }, 'WEFT_WINDOW_OPTIONS'],
    ['a policy that is none', { staleness: 'hide' }, 'WEFT_WINDOW_OPTIONS'],
    ['a policy that every object inherits', { staleness: { memory: 'toString' } }, 'WEFT_WINDOW_OPTIONS'],
    ['a policy of an unknown kind', { staleness: { thought: 'keep' } }, 'WEFT_KIND_UNKNOWN'],
    ['a pin of an unknown kind', { pin: { kinds: ['constructor'] } }, 'WEFT_KIND_UNKNOWN'],
    ['a pin of what is no entry', { pin: { entries: ['one'] } }, 'WEFT_REF_INVALID'],
    [
      'a pin of an entry that is not here',
      { pin: { entries: [`${'0'.repeat(64)}.0`] } },
      'WEFT_CHANGE_UNKNOWN',
    ],
    [
      'too many pins',
      { pin: { entries: Array.from({ length: 257 }, (_, at) => `${'0'.repeat(64)}.${at}`) } },
      'WEFT_WINDOW_OPTIONS',
    ],
    ['an option that nobody knows', { pins: { kinds: ['rule'] } }, 'WEFT_WINDOW_OPTIONS'],
    ['a pin by what nobody knows', { pin: { kind: ['rule'] } }, 'WEFT_WINDOW_OPTIONS'],
    ['a pin that is a list', { pin: ['rule'] }, 'WEFT_WINDOW_OPTIONS'],
    ['no pin', { pin: null }, 'WEFT_WINDOW_OPTIONS'],
    ['a pin of a kind that is not in a list', { pin: { kinds: 'rule' } }, 'WEFT_WINDOW_OPTIONS'],
    ['overlays that are no list', { overlays: 5 }, 'WEFT_WINDOW_OPTIONS'],
    ['an overlay that is its name', { overlays: ['rules'] }, 'WEFT_WINDOW_OPTIONS'],
    ['no counter', { count: undefined }, 'WEFT_WINDOW_OPTIONS'],
    ['a counter without a name', { count: { count: () => 1 } }, 'WEFT_WINDOW_OPTIONS'],
  ])('%s', (_, options, code) => {
    const { write, make } = talk()
    write('message', { role: 'user', content: 'hello' })
    expect(codeOf(() => make(options as never))).toBe(code)
    expect(make().included).toHaveLength(1)
  })

  test('[WIN-1] a budget below what is pinned, with the numbers', () => {
    const { write, make } = talk()
    const rule = write('rule', { text: 'x'.repeat(100) })
    const error = refusal(() => make({ budget: 100, pin: { kinds: ['rule'] } }))
    expect(error.code).toBe('WEFT_WINDOW_BUDGET')
    expect(error.details).toMatchObject({ budget: 100, pinned: expect.any(Number), entries: [rule] })
    const { pinned } = error.details as { pinned: number }
    expect(make({ budget: pinned, pin: { kinds: ['rule'] } }).included).toHaveLength(1)
    expect(codeOf(() => make({ budget: pinned - 1, pin: { kinds: ['rule'] } }))).toBe('WEFT_WINDOW_BUDGET')
  })

  test('[WIN-1] no budget that what is pinned fits into, though the rest and it are more than they are apart', () => {
    // The whole can be more by it than its pieces.
    const floored: TokenCounter = { name: 'floored', count: text => Math.floor(text.length / 4) }
    let least = 1
    for (let rules = 1; rules < 40; rules++) {
      const { set, write } = talk()
      const fits = (budget: number): boolean => {
        const recipe = resolveOptions({ budget, count: floored, pin: { kinds: ['rule'] } }, Kinds)
        try {
          return windowsOf(set, set.view('main'), Kinds as never).make(recipe, floored).tokens <= budget
        } catch (error) {
          expect(error).toMatchObject({ code: 'WEFT_WINDOW_BUDGET' })
          return false
        }
      }
      for (let n = 0; n < rules; n++)
        write('rule', { role: 'system', content: 'r'.repeat(1 + ((n * 7) % 50)) })
      while (!fits(least)) least++
      for (let n = 0; n < 6; n++) write('message', { role: 'user', content: 'm'.repeat(1 + ((n * 5) % 17)) })
      for (let budget = least; budget < least + 30; budget++)
        expect(fits(budget), `${rules}: ${budget}`).toBe(true)
    }
  })

  test.each([
    Number.NaN,
    -1,
    Number.POSITIVE_INFINITY,
    undefined,
    Promise.resolve(3),
  ])('a counter that counts %s', count => {
    const { set } = talk()
    const counter = { name: 'odd', count: () => count as number }
    const windows = windowsOf(set)
    expect(codeOf(() => windows.make(resolveOptions({ budget: 9, count: counter }, Talk), counter))).toBe(
      'WEFT_WINDOW_OPTIONS',
    )
  })

  test('a renderer that throws, or makes what is not JSON', () => {
    const { write, make } = talk()
    write('memory', { text: 'a' })
    for (const memory of [
      () => {
        throw new Error('broken')
      },
      () => new Date(0),
    ]) {
      const definition = { ...Kinds, render: { memory } } as never
      expect(refusal(() => make({}, definition))).toMatchObject({
        code: 'WEFT_RENDER_FAILED',
        details: { kind: 'memory' },
      })
    }
    expect(make().included).toHaveLength(1)
  })

  test('kinds of the engine, and renderers and pins of kinds that are not defined', () => {
    const define = (options: object) => () =>
      defineContext({ name: 'a', version: 1, entries: {}, ...options })
    expect(codeOf(define({ entries: { [SUMMARY_KIND]: Kinds.entries.rule } }))).toBe('WEFT_ID_INVALID')
    expect(codeOf(define({ render: { thought: String } }))).toBe('WEFT_KIND_UNKNOWN')
    expect(codeOf(define({ pinned: ['thought'] }))).toBe('WEFT_KIND_UNKNOWN')
  })

  test('[STP-2] notes of windows that are none; those of another release are carried', () => {
    const { writer } = talk()
    const change = writer.write({ entries: [{ kind: 'message', value: 'a' }] })!
    const record = {
      format: 1,
      budget: 5,
      as: 'openai',
      order: 'branches',
      pin: { kinds: [], entries: [] },
      staleness: {},
      count: 'c',
      tokens: 3,
      digest: new Uint8Array(32),
    }
    const noted = (windows: unknown) => () => forged(change, { notes: { windows } as never })
    expect(noted([record])().header.notes.windows).toEqual([record])
    expect(noted([{ ...record, format: 2, as: 'gemini' }])().header.notes.windows).toHaveLength(1)
    for (const bad of [
      7,
      [7],
      Array.from({ length: 33 }, () => record),
      [{ ...record, format: 'new' }],
      [{ ...record, budget: -1 }],
      [{ ...record, as: 'gemini' }],
      [{ ...record, pin: { kinds: [':'], entries: [] } }],
      [{ ...record, pin: null }],
      [{ ...record, staleness: { a: 'hide' } }],
      [{ ...record, count: 5 }],
      [{ ...record, tokens: 'few' }],
      [{ ...record, digest: new Uint8Array(31) }],
    ]) {
      expect(codeOf(noted(bad))).toMatch(/^WEFT_/)
    }
  })
})
