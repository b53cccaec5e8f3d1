import { audit, BranchWriter, defineContext, type Json, resolveOptions } from '@weft/core'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../support/core-forge.ts'
import { replicaOf } from '../support/core-history.ts'
import { seededHost } from '../support/core-property.ts'
import { answer, call, Kinds, talk } from '../support/window-talk.ts'
import { byLength, windowsOf } from '../support/window-values.ts'

describe('[WIN-3] what is stale', () => {
  test.each([
    [undefined, '[stale] [memory] noted', 'said'],
    ['flag' as const, '[stale] [memory] noted', '[stale] said'],
    ['keep' as const, '[memory] noted', 'said'],
    [{ memory: 'keep', '*': 'flag' } as const, '[memory] noted', '[stale] said'],
    [{ memory: 'drop' } as const, undefined, 'said'],
    ['drop' as const, undefined, undefined],
  ])('under %j', (staleness, noted, said) => {
    const { write, writer, make } = talk()
    const memory = write('memory', { text: 'noted' }, 'ext:doc/1')
    const message = write('message', { role: 'assistant', content: 'said' }, `entry:${memory}`)
    write('message', { role: 'user', content: 'fresh' })
    writer.write({ writes: ['ext:doc/1@v2'] })
    const { messages, included, leftOut } = make(staleness === undefined ? {} : { staleness })
    expect(messages.map(({ content }) => content)).toEqual(
      [noted, said, 'fresh'].filter(text => text !== undefined),
    )
    expect(included.filter(({ stale }) => stale).length).toBe(
      [noted, said].filter(text => text !== undefined).length,
    )
    const dropped = [...(noted === undefined ? [memory] : []), ...(said === undefined ? [message] : [])]
    expect(leftOut.map(({ entry, why }) => [entry, why])).toEqual(dropped.map(entry => [entry, 'stale']))
  })

  test('takes its unit with it, and is flagged at most when it is pinned', () => {
    const { write, writer, make } = talk()
    write('message', call('a'))
    const result = write('memory', answer('a', { rows: 3 }), 'ext:doc/1')
    writer.write({ writes: ['ext:doc/1@v2'] })
    expect(make({ staleness: { memory: 'drop' } }).leftOut.map(({ why }) => why)).toEqual(['stale', 'stale'])
    const pinned = make({ staleness: { memory: 'drop' }, pin: { entries: [result] } })
    expect(pinned.included.map(({ tier }) => tier)).toEqual(['pinned', 'pinned'])
    expect(pinned.messages[1]).toEqual({ role: 'tool', tool_call_id: 'a', content: '[stale] {"rows":3}' })
  })

  test('and what is reverted is left out for that', () => {
    const { set, writer, write, make } = talk()
    const mistake = write('memory', { text: 'a mistake' })
    const undo = writer.write({ notes: { reverts: set.dag.packIds([0]) } })!
    expect(make().leftOut).toEqual([{ entry: mistake, why: 'reverted', detail: undo.id }])
  })

  test('[CHG-4] by two who noticed at once: all replicas tell of the same one of them, audits of both', () => {
    for (let seed = 2; seed < 10; seed++) {
      const { set, write, writer } = talk()
      const mistake = write('memory', { text: 'a mistake' })
      const other = new BranchWriter(replicaOf(set.changes()), seededHost(seed), 'main', 'other')
      const sets = [set, other.set]
      const windows = sets.map(each => windowsOf(each, each.view('main')))
      const recipe = resolveOptions({ budget: 10_000, count: byLength }, Kinds)
      const undone = [writer, other].map(
        each => each.write({ notes: { reverts: each.set.dag.packIds([0]) } })!,
      )
      const tell = () => windows.map(each => each.make(recipe, byLength).leftOut)
      expect(tell()).toEqual(undone.map(({ id }) => [{ entry: mistake, why: 'reverted', detail: id }]))
      set.add(undone[1]!)
      other.set.add(undone[0]!)
      const [first, second] = undone.map(({ id }) => id).sort()
      const told = { entry: mistake, why: 'reverted', detail: first }
      expect(tell()).toEqual([[told], [told]])
      const audits = sets.map(each => [...audit(each, each.view('main'))])
      expect(audits[0]![0]!.revertedBy).toEqual([first, second])
      expect(audits[1]).toEqual(audits[0])
    }
  })

  test('and so is what was reverted before a renderer failed, once it does not', () => {
    const { set, writer, write } = talk()
    let isBroken = false
    const memory = (value: unknown): Json => {
      if (isBroken) throw new Error('broken')
      return value as Json
    }
    const windows = windowsOf(set, set.view('main'), { ...Kinds, render: { memory } } as never)
    const recipe = resolveOptions({ budget: 10_000, count: byLength }, Kinds)
    const mistake = write('memory', { text: 'a mistake' })
    windows.make(recipe, byLength)
    const undo = writer.write({ notes: { reverts: set.dag.packIds([0]) } })!
    write('memory', { text: 'another' })
    isBroken = true
    expect(codeOf(() => windows.make(recipe, byLength))).toBe('WEFT_RENDER_FAILED')
    isBroken = false
    expect(windows.make(recipe, byLength).leftOut).toEqual([
      { entry: mistake, why: 'reverted', detail: undo.id },
    ])
  })
})

describe('[WIN-2] calls and results', () => {
  test('that come late, in parts and on another branch, are told where the last one is', () => {
    const { set, writer, write, make } = talk()
    writer.fork(['worker'])
    write('message', call('a', 'b'))
    const worker = new BranchWriter(set, seededHost(2), 'worker', 'worker')
    worker.write({ entries: [{ kind: 'message', value: answer('b', 'of the worker') }] })
    write('message', { role: 'user', content: 'hurry' })
    expect(make().leftOut.map(({ why, detail }) => [why, detail])).toEqual([
      ['incomplete', 'call a has no result yet'],
    ])
    write('message', answer('a', 'of the planner'))
    expect(make().messages).toEqual([{ role: 'user', content: 'hurry' }])
    writer.merge(['worker'])
    const { messages, leftOut } = make()
    expect(messages).toEqual([
      { role: 'user', content: 'hurry' },
      call('a', 'b'),
      answer('a', 'of the planner'),
      answer('b', 'of the worker'),
    ])
    expect(leftOut).toEqual([])
  })

  test('with an id that is used again are paired by cause', () => {
    const { write, make } = talk()
    for (const text of ['first', 'second']) {
      write('message', call('a'))
      write('message', answer('a', text))
    }
    expect(make().messages.map(({ content }) => content)).toEqual([null, 'first', null, 'second'])
  })

  test('that are not whole are left out, or told as text where they are pinned', () => {
    const { write, make } = talk()
    const open = write('message', call('a'))
    const orphan = write('message', answer('b', 'nobody asked'))
    write('message', call('c'))
    write('message', answer('c', 'one'))
    const second = write('message', answer('c', 'two'))
    const { messages, leftOut } = make()
    expect(messages).toEqual([call('c'), answer('c', 'one')])
    expect(leftOut).toEqual([
      { entry: open, why: 'incomplete', detail: 'call a has no result yet' },
      { entry: orphan, why: 'incomplete', detail: 'there is no call b' },
      { entry: second, why: 'incomplete', detail: 'call c has another result' },
    ])
    expect(make({ pin: { entries: [open, orphan] } }).messages.slice(0, 2)).toEqual([
      { role: 'assistant', content: '[tool call a: get({}); no result yet]' },
      { role: 'user', content: '[tool result of b: nobody asked]' },
    ])
  })

  test('of which one is reverted are out both, and the next result answers', () => {
    const { set, writer, write, make } = talk()
    write('message', call('a'))
    write('message', answer('a', 'wrong'))
    writer.write({ notes: { reverts: set.dag.packIds([1]) } })
    expect(make().messages).toEqual([])
    write('message', answer('a', 'right'))
    expect(make().messages).toEqual([call('a'), answer('a', 'right')])
  })
})

describe('entries of every shape', () => {
  const shapes: readonly (readonly [string, Json[]])[] = [
    [
      'OpenAI',
      [{ role: 'assistant', content: 'I look', tool_calls: call('a').tool_calls }, answer('a', '3')],
    ],
    [
      'OpenAI responses',
      [
        {
          role: 'assistant',
          content: [
            { type: 'output_text', text: 'I look' },
            { type: 'function_call', call_id: 'a', name: 'get', arguments: '{}' },
          ],
        },
        { type: 'function_call_output', call_id: 'a', output: '3' },
      ],
    ],
    [
      'the AI SDK',
      [
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'I look' },
            { type: 'tool-call', toolCallId: 'a', toolName: 'get', input: {} },
          ],
        },
        {
          role: 'tool',
          content: [
            { type: 'tool-result', toolCallId: 'a', toolName: 'get', output: { type: 'text', value: '3' } },
          ],
        },
      ],
    ],
    [
      'Anthropic',
      [
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'I look' },
            { type: 'tool_use', id: 'a', name: 'get', input: {} },
          ],
        },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'a', content: [{ type: 'text', text: '3' }] }],
        },
      ],
    ],
    [
      'a replay',
      [
        { at: 1, message: { role: 'assistant', content: 'I look', tool_calls: call('a').tool_calls } },
        { at: 2, result: answer('a', '3') },
      ],
    ],
  ]

  test.each(shapes)('of %s are told to each API in its own', (_, values) => {
    const { write, make } = talk()
    for (const value of values) write('message', value)
    expect(make().messages).toEqual([
      { role: 'assistant', content: 'I look', tool_calls: call('a').tool_calls },
      answer('a', '3'),
    ])
    expect(make({ as: 'ai-sdk' }).messages).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'I look' },
          { type: 'tool-call', toolCallId: 'a', toolName: 'get', input: {} },
        ],
      },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', toolCallId: 'a', toolName: 'get', output: { type: 'text', value: '3' } },
        ],
      },
    ])
    expect(make({ as: 'anthropic' }).messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'I look' },
          { type: 'tool_use', id: 'a', name: 'get', input: {} },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: '3' }] },
    ])
    expect(
      make({ as: 'parts' }).parts.map(({ role, parts }) => [role, parts.map(({ type }) => type)]),
    ).toEqual([
      ['assistant', ['text', 'tool-call']],
      ['tool', ['tool-result']],
    ])
  })

  test('may be a call and a result alone, or in what was recorded of them', () => {
    const { write, make } = talk()
    write('message', call('a').tool_calls[0]!)
    write('message', { type: 'tool-result', toolCallId: 'a', toolName: 'get', output: 'done' })
    write('message', { at: 3, mark: 'm', call: call('b').tool_calls[0]! })
    write('message', { at: 4, mark: 'm', result: answer('b') })
    expect(make().messages).toEqual([call('a'), answer('a'), call('b'), answer('b')])
  })

  test('that are notes are told behind their kind; a renderer tells them otherwise, or not at all', () => {
    const { write, make } = talk()
    write('rule', { text: 'be brief' })
    write('memory', { a: 1 })
    write('message', { role: 'user', content: '' })
    expect(make().messages).toEqual([
      { role: 'user', content: '[rule] be brief' },
      { role: 'user', content: '[memory] {"a":1}' },
    ])
    expect(make().leftOut.map(({ why }) => why)).toEqual(['empty'])
    const told = defineContext({
      ...Kinds,
      render: {
        rule: (value: unknown) => ({ role: 'system', content: (value as { text: string }).text }),
        memory: () => undefined,
      },
      pinned: ['rule'],
    } as unknown as Parameters<typeof defineContext>[0])
    expect(make({}, told).messages).toEqual([{ role: 'system', content: 'be brief' }])
    expect(make({}, told).included).toMatchObject([{ kind: 'rule', tier: 'pinned' }])
    expect(make({ as: 'anthropic' }, told)).toMatchObject({
      system: [{ type: 'text', text: 'be brief' }],
      messages: [],
    })
  })

  test('images, thoughts and failures keep what the other side can carry', () => {
    const { write, make } = talk()
    write('message', {
      role: 'user',
      content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
    })
    write('message', {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 's' },
        { type: 'tool_use', id: 'a', name: 'get', input: {} },
      ],
    })
    write('message', {
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: 'a', content: 'no', is_error: true }],
    })
    const { messages } = make({ as: 'anthropic' })
    expect(JSON.stringify(messages)).toContain('"signature":"s"')
    expect(JSON.stringify(messages)).toContain('{"type":"base64","media_type":"image/png","data":"AAAA"}')
    expect(JSON.stringify(messages)).toContain('"is_error":true')
    expect(make().text).not.toContain('hm')
    expect(make({ as: 'ai-sdk' }).text).toContain('{"type":"error-text","value":"no"}')
  })
})
