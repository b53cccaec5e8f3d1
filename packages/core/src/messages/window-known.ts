import { isPlainObject, type Json, type JsonObject } from '../base/json.js'
import { type Api, type OpaquePart, type Part, type Role, textPart } from './window-message.js'

/** A block of a type that one API alone knows: from whom it takes it, and what tells it from others' of that type. */
interface KnownBlock {
  readonly of: Api
  readonly from: readonly Role[]
  readonly isWhole: (block: JsonObject) => boolean
}

const FROM_USER: readonly Role[] = ['user']
const FROM_MODEL: readonly Role[] = ['assistant']

const always = (): boolean => true
const hasText =
  (key: string) =>
  (block: JsonObject): boolean =>
    typeof block[key] === 'string'
const hasObject =
  (key: string) =>
  (block: JsonObject): boolean =>
    isPlainObject(block[key])
const isSearchResult = ({ content }: JsonObject): boolean => Array.isArray(content)

const THOUGHT: KnownBlock = { of: 'anthropic', from: FROM_MODEL, isWhole: always }
const SERVER_RESULT: KnownBlock = { of: 'anthropic', from: FROM_MODEL, isWhole: hasText('tool_use_id') }

const KNOWN: Readonly<Record<string, readonly KnownBlock[]>> = {
  thinking: [THOUGHT],
  redacted_thinking: [THOUGHT],
  server_tool_use: [{ of: 'anthropic', from: FROM_MODEL, isWhole: hasText('id') }],
  web_search_tool_result: [SERVER_RESULT],
  web_fetch_tool_result: [SERVER_RESULT],
  code_execution_tool_result: [SERVER_RESULT],
  bash_code_execution_tool_result: [SERVER_RESULT],
  text_editor_code_execution_tool_result: [SERVER_RESULT],
  tool_search_tool_result: [SERVER_RESULT],
  // Of a file: any other is an image to all.
  image: [
    {
      of: 'anthropic',
      from: FROM_USER,
      isWhole: ({ source }) => isPlainObject(source) && source.type === 'file',
    },
  ],
  document: [{ of: 'anthropic', from: FROM_USER, isWhole: hasObject('source') }],
  search_result: [{ of: 'anthropic', from: FROM_USER, isWhole: isSearchResult }],
  container_upload: [{ of: 'anthropic', from: FROM_USER, isWhole: hasText('file_id') }],
  reasoning: [{ of: 'ai-sdk', from: FROM_MODEL, isWhole: always }],
  file: [
    { of: 'openai', from: FROM_USER, isWhole: hasObject('file') },
    { of: 'ai-sdk', from: ['user', 'assistant'], isWhole: ({ data }) => data !== undefined },
  ],
  input_audio: [{ of: 'openai', from: FROM_USER, isWhole: always }],
  refusal: [{ of: 'openai', from: FROM_MODEL, isWhole: always }],
}

export function opaque(value: JsonObject): OpaquePart {
  return { type: 'opaque', of: knownAs(value)?.of, value }
}

/** Whether a tool's output lists what Anthropic takes within a result. */
export function isAnthropicOutput(output: Json | undefined): boolean {
  return Array.isArray(output) && output.length > 0 && (output as readonly Json[]).every(isToolContent)
}

/**
 * What an API hears when a role says this: parts that it knows, and as text what it does not take from that role. Of an
 * image's own bytes the text says nothing.
 */
export function heard(parts: readonly Part[], role: Role, api: Api): Part[] {
  return parts.flatMap(part => {
    if (part.type === 'image') return role === 'user' ? [part] : [textPart(`[image: ${nameOf(part.url)}]`)]
    if (part.type !== 'opaque') return [part]
    return part.of === api && knownAs(part.value)!.from.includes(role) ? [part] : opaqueAsText(part)
  })
}

/** An opaque part for those who do not know it; what a model thought in private is not told. */
export function opaqueAsText({ value }: OpaquePart): Part[] {
  return /thinking|reasoning/.test(String(value.type)) ? [] : [textPart(JSON.stringify(value))]
}

function knownAs(block: JsonObject): KnownBlock | undefined {
  const type = String(block.type)
  return Object.hasOwn(KNOWN, type) ? KNOWN[type]!.find(({ isWhole }) => isWhole(block)) : undefined
}

function isToolContent(block: Json): boolean {
  if (!isPlainObject(block)) return false
  const { type } = block
  if (type === 'text') return typeof block.text === 'string'
  if (type === 'image' || type === 'document') return isPlainObject(block.source)
  return type === 'search_result' && isSearchResult(block as JsonObject)
}

function nameOf(url: string): string {
  return /^data:([^;,]*)/.exec(url)?.[1] ?? url
}
