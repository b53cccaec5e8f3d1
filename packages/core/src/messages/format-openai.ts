import type { Json, JsonObject } from '../base/json.js'
import { heard } from './window-known.js'
import type { Message, Part, ToolCallPart, ToolResultPart } from './window-message.js'

/** Messages of OpenAI's chat completions. */
export function toOpenAi({ role, parts }: Message): JsonObject[] {
  if (role === 'tool') return parts.flatMap(part => (part.type === 'tool-result' ? [toResult(part)] : []))
  const calls = parts.flatMap(part => (part.type === 'tool-call' ? [toCall(part)] : []))
  const content = heard(parts, role, 'openai').flatMap(toContent)
  if (content.length === 0 && calls.length === 0) return []
  return [{ role, content: contentOf(content), ...(calls.length > 0 && { tool_calls: calls }) }]
}

/** One text is a string in all APIs; only what is more is a list. */
function contentOf(content: readonly JsonObject[]): Json {
  if (content.length === 0) return null
  const [only] = content
  return content.length === 1 && only!.type === 'text' ? only!.text! : content
}

function toContent(part: Part): JsonObject[] {
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: part.text }]
    case 'image':
      return [{ type: 'image_url', image_url: { url: part.url } }]
    case 'opaque':
      return [part.value]
    default:
      return []
  }
}

function toCall({ id, name, input }: ToolCallPart): JsonObject {
  return { id, type: 'function', function: { name, arguments: input } }
}

function toResult({ id, output }: ToolResultPart): JsonObject {
  return {
    role: 'tool',
    tool_call_id: id,
    content: typeof output === 'string' ? output : JSON.stringify(output),
  }
}
