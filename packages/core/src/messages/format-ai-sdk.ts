import type { JsonObject } from '../base/json.js'
import { inputOf } from './tool-input.js'
import { heard } from './window-known.js'
import type { Message, Part, ToolResultPart } from './window-message.js'

/** `ModelMessage`s of the AI SDK. */
export function toAiSdk({ role, parts }: Message): JsonObject[] {
  const content = heard(parts, role, 'ai-sdk').flatMap(toContent)
  if (content.length === 0) return []
  const texts = content.flatMap(part => (part.type === 'text' ? [String(part.text)] : []))
  // Of the system it takes nothing but text.
  if (role === 'system') return [{ role, content: texts.join('\n') }]
  return [{ role, content: content.length === 1 && texts.length === 1 ? texts[0]! : content }]
}

function toContent(part: Part): JsonObject[] {
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: part.text }]
    case 'image':
      return [{ type: 'image', image: part.url }]
    case 'tool-call':
      return [{ type: 'tool-call', toolCallId: part.id, toolName: part.name, input: inputOf(part) }]
    case 'tool-result':
      return [
        {
          type: 'tool-result',
          toolCallId: part.id,
          toolName: part.name ?? 'tool',
          output: outputOf(part),
        },
      ]
    case 'opaque':
      return [part.value]
  }
}

function outputOf({ output: value, failed, of }: ToolResultPart): JsonObject {
  if (of === 'ai-sdk') return { type: 'content', value }
  const type = typeof value === 'string' ? 'text' : 'json'
  return { type: failed ? `error-${type}` : type, value }
}
