import {
  BranchWriter,
  ChangeSet,
  ERASURES_BRANCH,
  erasureOf,
  resolveOptions,
  type WindowOptions,
} from '@weft/core'
import { describe, expect, test } from 'vitest'
import { seededHost, sha256 } from '../support/core-property.ts'
import { answer, call, Kinds, talk } from '../support/window-talk.ts'
import { byLength, windowsOf } from '../support/window-values.ts'

const ERASED = 'it may have been erased'

/** Erases the changes of entries. */
function erase(set: ChangeSet, ...entries: readonly string[]): void {
  const nodes = set.nodes(entries.map(entry => entry.split('.')[0]!))
  const write = erasureOf(set, nodes, undefined, sha256)
  new BranchWriter(set, seededHost(7), ERASURES_BRANCH, 'admin').write({ ...write, at: [] })
}

describe('[ERA-1] [WIN-2] a call whose result was erased', () => {
  test('is not told as one that has not ended, to any API', () => {
    const { set, write, make } = talk()
    write('rule', { role: 'user', content: 'begin' })
    const asked = write('rule', call('a', 'b'))
    write('message', answer('a', '3'))
    const result = write('message', answer('b', 'secret'))
    const later = write('rule', call('c'))
    erase(set, result)
    const pin = { kinds: ['rule'] }
    const told = [
      'begin',
      '[tool call a: get({})]',
      `[tool call b: get({}); no result here: ${ERASED}]`,
      '[tool result of a: 3]',
      // What was erased came before it.
      '[tool call c: get({}); no result yet]',
    ]
    const texts = (as: 'openai' | 'anthropic' | 'ai-sdk') =>
      make({ as, pin }).messages.flatMap(({ content }) =>
        typeof content === 'string' ? [content] : (content as { text: string }[]).map(({ text }) => text),
      )
    expect(texts('ai-sdk')).toEqual(told)
    expect(texts('anthropic')).toEqual(told)
    expect(texts('openai').join('')).toBe(told.join(''))
    expect(
      make().leftOut.map(({ entry, why, detail }) => (why === 'erased' ? [entry, why] : [entry, detail])),
    ).toEqual([
      [asked, `call b has no result here: ${ERASED}`],
      [expect.any(String), `call b has no result here: ${ERASED}`],
      [result, 'erased'],
      [later, 'call c has no result yet'],
    ])
  })

  test('is so told whenever it was erased, and by whoever never had it', () => {
    const { set, write } = talk()
    write('rule', call('a'))
    const result = write('message', answer('a', 'secret'))
    const options: WindowOptions = { budget: 10_000, count: byLength, pin: { kinds: ['rule'] } }
    const recipe = resolveOptions(options, Kinds)
    const late = new ChangeSet(sha256)
    const windows = windowsOf(late, late.view('main'))
    late.add(set.changes()[0]!)
    expect(windows.make(recipe, byLength).text).toContain('no result yet')
    erase(set, result)
    // Whoever knows that it is erased before it comes has made windows of the call as one that waits.
    for (const change of set.changes().toReversed()) late.add(change, true)
    expect(windows.make(recipe, byLength).text).toContain(ERASED)
    expect(windows.make(recipe, byLength).text).toBe(
      windowsOf(set, set.view('main')).make(recipe, byLength).text,
    )
  })

  test('and a result whose call was erased are told apart from what never was', () => {
    const { set, write, make } = talk()
    const asked = write('message', call('a'))
    const orphan = write('message', answer('a', '3'))
    erase(set, asked)
    expect(make().leftOut).toContainEqual({
      entry: orphan,
      why: 'incomplete',
      detail: `there is no call a here: ${ERASED}`,
    })
    expect(make({ pin: { entries: [orphan] } }).messages).toEqual([
      { role: 'user', content: '[tool result of a: 3]' },
    ])
  })
})
