import { isPlainObject, type Json, type JsonObject } from '../base/json.js'
import { isToolBlock, readBlock, result } from './window-blocks.js'
import { type Message, type Part, type Role, textPart } from './window-message.js'

/** What an entry says to a model. */
export interface Rendered {
  readonly messages: readonly Message[]
  /** Whether it is a turn of the conversation (it names its role, or is of a tool), and not a thing that was noted. */
  readonly spoken: boolean
}

/**
 * A value as messages, by its shape: chat messages of OpenAI, the AI SDK and Anthropic, calls and results without a
 * message around them, lists of such, and any of these below `message`, `call` or `result`. Anything else is a note: it
 * is told as text behind the name of its kind.
 */
export function renderValue(kind: string, value: Json): Rendered {
  const messages = readSpoken(value)
  if (messages !== undefined)
    return { messages: messages.filter(({ parts }) => parts.length > 0), spoken: true }
  const text = noteOf(value)
  return {
    messages: text === '' ? [] : [{ role: 'user', parts: [textPart(`[${kind}] ${text}`)] }],
    spoken: false,
  }
}

const WRAPPERS = ['message', 'call', 'result'] as const

function readSpoken(value: Json): Message[] | undefined {
  if (Array.isArray(value)) return readList(value)
  if (!isPlainObject(value)) return undefined
  const object = value as JsonObject
  if (typeof object.role === 'string') return readMessage(object, object.role)
  if (isToolBlock(object)) return [ofTool(readBlock(object))]
  for (const name of WRAPPERS) {
    const inner = object[name]
    const messages = isPlainObject(inner) ? readSpoken(inner as JsonObject) : undefined
    if (messages !== undefined) return messages
  }
  return undefined
}

function readList(values: readonly Json[]): Message[] | undefined {
  const messages: Message[] = []
  for (const value of values) {
    const read = readSpoken(value)
    if (read === undefined) return undefined
    messages.push(...read)
  }
  return messages.length === 0 ? undefined : messages
}

function ofTool(part: Part): Message {
  return { role: part.type === 'tool-call' ? 'assistant' : 'tool', parts: [part] }
}

const ROLES: Readonly<Record<string, Role>> = {
  system: 'system',
  developer: 'system',
  assistant: 'assistant',
  ai: 'assistant',
  model: 'assistant',
  tool: 'tool',
}

function readMessage(message: JsonObject, name: string): Message[] {
  const role = Object.hasOwn(ROLES, name) ? ROLES[name]! : 'user'
  const { content, tool_calls, tool_call_id } = message
  const answer = role === 'tool' && result(tool_call_id, message.name, content)
  if (answer) return [{ role, parts: [answer] }]
  const parts = [...partsOf(content), ...(Array.isArray(tool_calls) ? tool_calls.map(readCall) : [])]
  // What a tool says without naming its call is heard by no API.
  const isTool = role === 'tool' && !parts.some(part => part.type === 'tool-result')
  return [{ role: isTool ? 'user' : role, parts: parts.filter(saysSomething) }]
}

/** A call in `tool_calls` may leave its type out. */
function readCall(call: Json): Part {
  return readBlock(isPlainObject(call) && call.type === undefined ? { ...call, type: 'function' } : call)
}

function partsOf(content: Json | undefined): readonly Part[] {
  if (content === null || content === undefined) return []
  return Array.isArray(content) ? content.map(readBlock) : [readBlock(content)]
}

function saysSomething(part: Part): boolean {
  return part.type !== 'text' || part.text.trim() !== ''
}

/** A value that is no message, as text. */
export function noteOf(value: Json): string {
  if (typeof value === 'string') return value
  if (isPlainObject(value)) {
    const keys = Object.keys(value)
    const [only] = keys
    const text = keys.length === 1 && (only === 'text' || only === 'content') ? value[only] : undefined
    if (typeof text === 'string') return text
  }
  return JSON.stringify(value)
}
