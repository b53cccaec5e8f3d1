import { type Json, resolveOptions, type ToldOverlay } from '@weft/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codeOf, refusal } from '../support/core-forge.ts'
import { holds } from '../support/core-property.ts'
import { talk } from '../support/window-talk.ts'
import { byLength, Talk, windowsOf } from '../support/window-values.ts'

const overlay = (name: string, value: Json, version = 1): ToldOverlay => ({ name, version, value })
const RULES = overlay('rules', 'be kind', 2)

const words = fc.string({ minLength: 1, maxLength: 40 })
const talks = fc.record({
  messages: fc.array(fc.tuple(fc.constantFrom('system', 'user', 'assistant'), words), { maxLength: 40 }),
  overlays: fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), words), {
    selector: ([name]) => name,
  }),
  budget: fc.integer({ min: 800, max: 2_000 }),
  as: fc.constantFrom('openai' as const, 'ai-sdk' as const, 'anthropic' as const, 'parts' as const),
})

describe('[OVL-2] overlays in a window', () => {
  test('are told as the system’s, behind what is pinned of the system’s own, before all else', () => {
    const { write, make } = talk()
    write('rule', { role: 'system', content: 'you are an agent' })
    write('rule', { text: 'never lie' })
    write('message', { role: 'user', content: 'hello' })
    const options = { pin: { kinds: ['rule'] }, overlays: [RULES, overlay('persona', { text: 'a clerk' })] }
    const { messages, recipe, included } = make(options)
    expect(messages).toEqual([
      { role: 'system', content: 'you are an agent' },
      { role: 'system', content: '[persona@1] a clerk' },
      { role: 'system', content: '[rules@2] be kind' },
      { role: 'user', content: '[rule] never lie' },
      { role: 'user', content: 'hello' },
    ])
    expect(recipe.overlays).toEqual({ persona: 1, rules: 2 })
    expect(included.map(({ tier }) => tier)).toEqual(['pinned', 'pinned', 'history'])
    const { system } = make({ ...options, as: 'anthropic' })
    expect(system).toHaveLength(3)
  })

  test('are told as their renderer says, or not at all', () => {
    const { make } = talk()
    const told = { ...RULES, render: (value: Json) => `obey: ${String(value)}` }
    expect(make({ overlays: [told] }).messages).toEqual([{ role: 'system', content: 'obey: be kind' }])
    expect(make({ overlays: [{ ...RULES, render: () => undefined }] }).messages).toEqual([])
    const broken = [
      () => {
        throw new Error('no')
      },
      () => 7 as never,
    ]
    for (const render of broken) {
      const error = refusal(() => make({ overlays: [{ ...RULES, render }] }))
      expect(error).toMatchObject({ code: 'WEFT_RENDER_FAILED', details: { overlay: 'rules', version: 2 } })
    }
  })

  test('[WIN-1] take their room from the budget, whatever else there is, and are in it whole', () => {
    holds(
      talks,
      ({ messages, overlays, budget, as }) => {
        const { write, make } = talk()
        for (const [role, content] of messages) write('message', { role, content })
        const told = overlays.map(([name, text]) => overlay(name, text))
        const window = make({ budget, as, overlays: told })
        expect(byLength.count(window.text)).toBeLessThanOrEqual(window.tokens)
        expect(window.tokens).toBeLessThanOrEqual(budget)
        for (const { name, value } of told)
          expect(window.text).toContain(JSON.stringify(`[${name}@1] ${String(value)}`).slice(1, -1))
      },
      300,
    )
  })

  test('[WIN-1] that alone exceed the budget are an error with the numbers', () => {
    const { make } = talk()
    const options = { overlays: [overlay('long', 'x'.repeat(300))], budget: 200 }
    const error = refusal(() => make(options))
    expect(error).toMatchObject({ code: 'WEFT_WINDOW_BUDGET', details: { budget: 200, overlays: ['long'] } })
    const { pinned } = error.details as { pinned: number }
    expect(make({ ...options, budget: pinned }).tokens).toBe(pinned)
    expect(codeOf(() => make({ ...options, budget: pinned - 1 }))).toBe('WEFT_WINDOW_BUDGET')
  })

  test('[WIN-1] what the system says in between is counted as what it becomes', () => {
    const { write, make } = talk()
    for (const role of ['assistant', 'system']) write('message', { role, content: '!' })
    const { text, tokens } = make({ as: 'anthropic', budget: 232 })
    expect(text.length).toBeLessThanOrEqual(tokens)
  })

  test('[WIN-4] do not depend on the order in which they are given', () => {
    const { make } = talk()
    const all = ['c', 'a', 'b'].map(name => overlay(name, name))
    expect(make({ overlays: all }).text).toBe(make({ overlays: [...all].reverse() }).text)
  })

  test('[WIN-5] change nothing before them, and all after them stays as it was', () => {
    const { write, make } = talk()
    write('rule', { role: 'system', content: 'you are an agent' })
    write('message', { role: 'user', content: 'hello' })
    const texts = [1, 2].map(
      version =>
        make({ pin: { kinds: ['rule'] }, overlays: [overlay('rules', `rule ${version}`, version)] }).text,
    )
    const [before, after] = texts.map(text => text.split(/\[rules@\d\] rule \d/))
    expect(before).toEqual(after)
    expect(before![0]).toContain('you are an agent')
  })

  test('of a version that is not given cannot be told', () => {
    const { set, write } = talk()
    write('message', { role: 'user', content: 'hello' })
    const recipe = resolveOptions({ budget: 500, count: byLength, overlays: [RULES] }, Talk)
    for (const given of [[], [{ ...RULES, version: 1 }]]) {
      const error = refusal(() => windowsOf(set).make(recipe, byLength, given))
      expect(error).toMatchObject({
        code: 'WEFT_OVERLAY_UNKNOWN',
        details: { overlay: 'rules', version: 2 },
      })
    }
  })
})
