import { isDeepStrictEqual } from 'node:util'
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
        tool_calls: [openAiCall(id, n), openAiCall(other, n)].slice(0, 1 + (n % 2)),
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

function openAiCall(id: string, n: number) {
  return { id, type: 'function', function: { name: 'get', arguments: `{"n": ${n}}` } }
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

/*
 * Each of these looks at every message of thousands of windows: what is wrong is gathered, and asserted once, since an
 * assertion takes longer than what it looks at.
 */

/** Blocks by whom each API takes them from. */
const TAKEN: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  openai: {
    system: ['text'],
    user: ['text', 'image_url', 'input_audio', 'file'],
    assistant: ['text', 'refusal'],
    tool: [],
  },
  'ai-sdk': {
    system: [],
    user: ['text', 'image', 'file'],
    assistant: ['text', 'file', 'reasoning', 'tool-call'],
    tool: ['tool-result'],
  },
  anthropic: {
    user: ['text', 'image', 'document', 'search_result', 'container_upload', 'tool_result'],
    assistant: [
      ...['text', 'thinking', 'redacted_thinking', 'tool_use', 'server_tool_use'],
      ...['web_search_tool_result', 'web_fetch_tool_result', 'code_execution_tool_result'],
    ],
  },
}

function untakenBy(as: string, messages: readonly unknown[]): string[] {
  return (messages as readonly Loose[]).flatMap(({ role, content }, at) =>
    (Array.isArray(content) ? (content as readonly Block[]) : [])
      .filter(({ type }) => !TAKEN[as]![role]!.includes(type))
      .map(({ type }) => `${at}: ${role} says ${type}`),
  )
}

function repeatedAmong(ids: readonly unknown[]): string[] {
  return ids.flatMap((id, at) => (ids.indexOf(id) < at ? [`${id} is two calls`] : []))
}

/** Fails where OpenAI would refuse: each call is answered at once, each answer has its call, no two are one. */
export function expectOpenAi(messages: readonly unknown[]): void {
  const list = messages as readonly Loose[]
  const wrong = repeatedAmong(list.flatMap(({ tool_calls = [] }) => tool_calls.map(({ id }) => id)))
  for (let at = 0; at < list.length; ) {
    const { role, content, tool_calls = [] } = list[at]!
    const answers = list.slice(at + 1, at + 1 + tool_calls.length)
    const answered = answers.map(answer => [answer.role, answer.tool_call_id])
    const called = tool_calls.map(({ id }) => ['tool', id])
    if (!['system', 'user', 'assistant'].includes(role)) wrong.push(`${at}: ${role} comes out of turn`)
    if (called.length === 0 && (content === null || content === '')) wrong.push(`${at}: empty`)
    if (!isDeepStrictEqual(answered, called)) wrong.push(`${at}: ${answered} answer ${called}`)
    at += 1 + tool_calls.length
  }
  expect([...wrong, ...untakenBy('openai', list)]).toEqual([])
}

/** Fails where the AI SDK would refuse. */
export function expectAiSdk(messages: readonly unknown[]): void {
  const wrong: string[] = []
  const all: unknown[] = []
  let open: unknown[] = []
  for (const [at, { role, content }] of (messages as readonly Loose[]).entries()) {
    const blocks = (
      typeof content === 'string' ? [{ type: 'text', text: content }] : content
    ) as readonly Block[]
    const of = (type: string) =>
      blocks.filter(block => block.type === type).map(({ toolCallId }) => toolCallId)
    const answered = role === 'tool' ? of('tool-result') : []
    if (blocks.length === 0) wrong.push(`${at}: empty`)
    if (!isDeepStrictEqual(answered, open)) wrong.push(`${at}: ${answered} answer ${open}`)
    open = of('tool-call')
    all.push(...open)
    if (role !== 'assistant' && open.length > 0) wrong.push(`${at}: ${role} calls ${open}`)
  }
  if (open.length > 0) wrong.push(`${open} are not answered`)
  expect([...wrong, ...repeatedAmong(all), ...untakenBy('ai-sdk', messages)]).toEqual([])
}

/**
 * Fails where Anthropic would refuse: two take turns, the user first; calls come last, and answers first, all at once; each
 * call has an id of its own, of few characters; what its own tools were asked stands beside what they found.
 */
export function expectAnthropic(messages: readonly unknown[]): void {
  const wrong: string[] = []
  const all: unknown[] = []
  let open: unknown[] = []
  for (const [at, { role, content }] of (messages as readonly Loose[]).entries()) {
    const blocks = content as readonly Block[]
    const answered = blocks.flatMap(({ type, tool_use_id }) => (type === 'tool_result' ? [tool_use_id] : []))
    const called = blocks.flatMap(({ type, id }) => (type === 'tool_use' ? [id] : []))
    const [first, last] = [blocks.slice(0, answered.length), blocks.slice(blocks.length - called.length)]
    if (role !== (at % 2 === 0 ? 'user' : 'assistant')) wrong.push(`${at}: it is not the turn of ${role}`)
    if (blocks.length === 0) wrong.push(`${at}: empty`)
    if (blocks.some(({ type, text }) => type === 'text' && String(text).trim() === ''))
      wrong.push(`${at}: blank`)
    if (!isDeepStrictEqual(answered, open)) wrong.push(`${at}: ${answered} answer ${open}`)
    if (first.some(({ type }) => type !== 'tool_result')) wrong.push(`${at}: answers do not come first`)
    if (last.some(({ type }) => type !== 'tool_use')) wrong.push(`${at}: calls do not come last`)
    const asked = blocks.flatMap(({ type, id }) => (type === 'server_tool_use' ? [id] : []))
    const found = blocks.flatMap(({ type, tool_use_id }) =>
      /._tool_result$/.test(type) ? [tool_use_id] : [],
    )
    if (!isDeepStrictEqual(found, asked)) wrong.push(`${at}: ${found} is found for ${asked}`)
    for (const id of called) if (!/^[a-zA-Z0-9_-]+$/.test(String(id))) wrong.push(`${at}: ${id} is no id`)
    all.push(...called)
    open = called
  }
  if (open.length > 0) wrong.push(`${open} are not answered`)
  expect([...wrong, ...repeatedAmong(all), ...untakenBy('anthropic', messages)]).toEqual([])
}
