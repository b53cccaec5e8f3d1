import type { JsonObject } from '../base/json.js'
import { inputOf } from './tool-input.js'
import { heard, opaqueAsText } from './window-known.js'
import type { Message, OpaquePart, Part } from './window-message.js'

/** A message of Anthropic's, or text of the system that stands among them. */
export interface Turn {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: readonly JsonObject[]
}

export interface AnthropicWindow {
  readonly system: readonly JsonObject[]
  readonly messages: readonly Turn[]
}

export function toTurns({ role, parts }: Message): Turn[] {
  const content = wholeServerCalls(heard(parts, role, 'anthropic')).flatMap(toBlock)
  return content.length === 0 ? [] : [{ role: role === 'tool' ? 'user' : role, content }]
}

/** Said first where a window begins in the middle of a talk: the API wants to hear the user first. */
export const OPENING: Turn = {
  role: 'user',
  content: [{ type: 'text', text: '(what was said before is left out)' }],
}

/**
 * What the system says at the beginning goes beside the messages; what it says later, where only two may speak, is the
 * user's. Neighbours of one role become one message.
 */
export function joinTurns(turns: readonly Turn[]): AnthropicWindow {
  const spoken = turns.findIndex(({ role }) => role !== 'system')
  const end = spoken < 0 ? turns.length : spoken
  const messages: Turn[] = []
  const rest = turns.slice(end)
  for (const turn of rest[0]?.role === 'assistant' ? [OPENING, ...rest] : rest) {
    const role = turn.role === 'system' ? 'user' : turn.role
    const last = messages.at(-1)
    if (last?.role === role)
      messages[messages.length - 1] = { role, content: [...last.content, ...turn.content] }
    else messages.push({ role, content: turn.content })
  }
  return { system: turns.slice(0, end).flatMap(({ content }) => content), messages }
}

/** Of a tool at the API's side neither call nor answer is taken without the other in its message: it is told as text. */
function wholeServerCalls(parts: readonly Part[]): Part[] {
  const opaque = parts.flatMap(part => (part.type === 'opaque' ? [part.value] : []))
  const calls = new Set(opaque.flatMap(({ type, id }) => (type === 'server_tool_use' ? [id] : [])))
  const answers = new Set(opaque.map(({ tool_use_id: id }) => id))
  const isHalf = ({ value: { type, id, tool_use_id: answered } }: OpaquePart): boolean =>
    type === 'server_tool_use' ? !answers.has(id) : answered !== undefined && !calls.has(answered)
  return parts.flatMap(part => (part.type === 'opaque' && isHalf(part) ? opaqueAsText(part) : [part]))
}

function toBlock(part: Part): JsonObject[] {
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: part.text }]
    case 'image':
      return [{ type: 'image', source: sourceOf(part.url) }]
    case 'tool-call':
      return [{ type: 'tool_use', id: part.id, name: part.name, input: inputOf(part) }]
    case 'tool-result': {
      const { id, output, failed, of } = part
      const content = typeof output === 'string' || of === 'anthropic' ? output : JSON.stringify(output)
      return [{ type: 'tool_result', tool_use_id: id, content, ...(failed && { is_error: true }) }]
    }
    case 'opaque':
      return [part.value]
  }
}

function sourceOf(url: string): JsonObject {
  const inline = /^data:([^;,]+);base64,(.*)$/s.exec(url)
  return inline ? { type: 'base64', media_type: inline[1]!, data: inline[2]! } : { type: 'url', url }
}
