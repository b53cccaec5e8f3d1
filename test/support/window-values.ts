import { type ChangeSet, defineContext, Staleness, type TokenCounter, type View, Windows } from '@weft/core'
import { expect } from 'vitest'
import { sha256 } from './core-property.ts'

const anything = {
  '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) },
} as const

/** Kinds as `core-history` writes them; each value is a number, which is told as one of many shapes. */
export const Talk = defineContext({
  name: 'talk',
  version: 1,
  entries: { message: anything, decision: anything, plain: anything },
  render: {
    message: value => shapeOf((value as { n: number }).n),
    decision: value => shapeOf((value as { n: number }).n),
  },
})

/** Messages of all APIs, whose tool ids meet again and again: in order, out of order, on other branches, never. */
function shapeOf(n: number): unknown {
  const text = `${n} `.repeat(1 + ((n * 7) % 9))
  const [id, other] = [`c${n % 5}`, `c${(n * 3 + 1) % 5}`]
  switch ((n * 11) % 8) {
    case 0:
      return { role: 'user', content: text }
    case 1:
      return {
        role: 'assistant',
        content: text,
        tool_calls: [openAiCall(id), openAiCall(other)].slice(0, 1 + (n % 2)),
      }
    case 2:
    case 3:
      return { role: 'tool', tool_call_id: id, content: text }
    case 4:
      return {
        role: 'assistant',
        content: [
          { type: 'tool_use', id, name: 'look', input: { n } },
          { type: 'text', text },
        ],
      }
    case 5:
      return {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: id, content: [{ type: 'text', text }] },
          { type: 'text', text },
        ],
      }
    case 6:
      return { role: 'system', content: n % 3 === 0 ? '' : text }
    default:
      return text
  }
}

function openAiCall(id: string) {
  return { id, type: 'function', function: { name: 'get', arguments: '{"a": 1}' } }
}

export const byLength: TokenCounter = { name: 'length', count: text => text.length, adds: true }
/** The whole can be more than its pieces by this one, so it does not say that they add up. */
export const bySevens: TokenCounter = { name: 'sevens', count: text => Math.floor(text.length / 7) }
/** Pieces can be more than the whole. */
export const byFours: TokenCounter = { name: 'fours', count: text => Math.ceil(text.length / 4) }

export function windowsOf(set: ChangeSet, view: View = set.everything(), definition = Talk): Windows {
  return new Windows(set, view, new Staleness(set, view), definition.render, sha256)
}

interface Loose {
  readonly role: string
  readonly content?: unknown
  readonly tool_calls?: readonly { readonly id: string }[]
  readonly tool_call_id?: string
}

interface Block {
  readonly type: string
  readonly [key: string]: unknown
}

/** Fails where OpenAI would refuse: each call is answered at once, each answer has its call. */
export function expectOpenAi(messages: readonly unknown[]): void {
  const list = messages as readonly Loose[]
  for (let at = 0; at < list.length; ) {
    const { role, content, tool_calls = [] } = list[at]!
    expect(['system', 'user', 'assistant']).toContain(role)
    expect(tool_calls.length > 0 || (content !== null && content !== '')).toBe(true)
    const answers = list.slice(at + 1, at + 1 + tool_calls.length)
    expect(answers.map(answer => [answer.role, answer.tool_call_id])).toEqual(
      tool_calls.map(({ id }) => ['tool', id]),
    )
    at += 1 + tool_calls.length
  }
}

/** Fails where the AI SDK would refuse. */
export function expectAiSdk(messages: readonly unknown[]): void {
  let open: unknown[] = []
  for (const { role, content } of messages as readonly Loose[]) {
    const blocks = (
      typeof content === 'string' ? [{ type: 'text', text: content }] : content
    ) as readonly Block[]
    expect(blocks.length).toBeGreaterThan(0)
    if (role !== 'tool') expectNone(open)
    const of = (type: string) =>
      blocks.filter(block => block.type === type).map(({ toolCallId }) => toolCallId)
    if (role === 'tool') expect(of('tool-result')).toEqual(open)
    open = of('tool-call')
    if (role !== 'assistant') expectNone(open)
  }
  expect(open).toEqual([])
}

/** For what is asked at every turn of a long talk: a comparison of lists takes longer than to see that they are empty. */
function expectNone(list: readonly unknown[]): void {
  if (list.length > 0) expect(list).toEqual([])
}

/** Fails where Anthropic would refuse: two take turns, the user first; calls come last, and answers first, all at once. */
export function expectAnthropic(messages: readonly unknown[]): void {
  let open: unknown[] = []
  for (const [at, { role, content }] of (messages as readonly Loose[]).entries()) {
    expect(role).toBe(at % 2 === 0 ? 'user' : 'assistant')
    const blocks = content as readonly Block[]
    expect(blocks.length).toBeGreaterThan(0)
    for (const block of blocks) if (block.type === 'text') expect(String(block.text).trim()).not.toBe('')
    const answered = blocks.flatMap(({ type, tool_use_id }) => (type === 'tool_result' ? [tool_use_id] : []))
    if (answered.length + open.length > 0) expect(answered).toEqual(open)
    expect(blocks.slice(0, answered.length).every(({ type }) => type === 'tool_result')).toBe(true)
    open = blocks.flatMap(({ type, id }) => (type === 'tool_use' ? [id] : []))
    expect(blocks.slice(blocks.length - open.length).every(({ type }) => type === 'tool_use')).toBe(true)
  }
  expect(open).toEqual([])
}
