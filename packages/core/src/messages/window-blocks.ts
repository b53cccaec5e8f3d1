import { isPlainObject, type Json, type JsonObject } from '../base/json.js'
import { isAnthropicOutput, opaque } from './window-known.js'
import { type Api, type Part, type ToolCallPart, type ToolResultPart, textPart } from './window-message.js'

/**
 * One block of content as OpenAI (chat and responses), the AI SDK or Anthropic writes it. What is none of theirs, or
 * not whole, is opaque.
 */
export function readBlock(block: Json): Part {
  if (typeof block === 'string') return textPart(block)
  if (!isPlainObject(block)) return textPart(JSON.stringify(block))
  const type = String(block.type)
  const read = Object.hasOwn(READERS, type) ? READERS[type] : undefined
  return read?.(block as JsonObject) ?? opaque(block as JsonObject)
}

/** Whether a value is a call or a result by itself, without a message around it. */
export function isToolBlock(value: Json): value is JsonObject {
  const { type } = isPlainObject(value) ? readBlock(value as JsonObject) : NO_BLOCK
  return type === 'tool-call' || type === 'tool-result'
}

const NO_BLOCK = { type: 'none' } as const

type BlockReader = (block: JsonObject) => Part | undefined

const readText: BlockReader = ({ text }) => (typeof text === 'string' ? textPart(text) : undefined)

const READERS: Readonly<Record<string, BlockReader>> = {
  text: readText,
  input_text: readText,
  output_text: readText,
  function: ({ id, function: called }) =>
    isPlainObject(called) ? call(id, called.name, called.arguments) : undefined,
  function_call: ({ call_id, name, arguments: input }) => call(call_id, name, input),
  tool_use: ({ id, name, input }) => call(id, name, input),
  'tool-call': ({ toolCallId, toolName, input, args }) => call(toolCallId, toolName, input ?? args),
  function_call_output: ({ call_id, output }) => result(call_id, undefined, output),
  tool_result: ({ tool_use_id, content, is_error }) =>
    result(
      tool_use_id,
      undefined,
      content,
      is_error === true,
      isAnthropicOutput(content) ? 'anthropic' : undefined,
    ),
  'tool-result': readAiSdkResult,
  image_url: ({ image_url }) =>
    image(isPlainObject(image_url) ? (image_url.url as Json | undefined) : image_url),
  input_image: ({ image_url }) => image(image_url),
  image: readImage,
}

function call(id: unknown, name: unknown, input: unknown): ToolCallPart | undefined {
  if (typeof id !== 'string' || id === '' || typeof name !== 'string') return undefined
  return {
    type: 'tool-call',
    id,
    name,
    input: typeof input === 'string' ? input : JSON.stringify(input ?? {}),
  }
}

/**
 * A result as a part, or undefined when it does not say of which call. Several texts are one.
 * @param of whose blocks the output lists: of what has failed none takes more than text
 */
export function result(
  id: unknown,
  name: unknown,
  output: Json | undefined,
  failed = false,
  of?: Api,
): ToolResultPart | undefined {
  if (typeof id !== 'string' || id === '') return undefined
  const parts = Array.isArray(output) ? (output as readonly Json[]).map(readBlock) : []
  const texts = parts.flatMap(part => (part.type === 'text' ? [part.text] : []))
  const isText = texts.length > 0 && texts.length === parts.length
  return {
    type: 'tool-result',
    id,
    name: typeof name === 'string' ? name : undefined,
    output: isText ? texts.join('\n') : (output ?? ''),
    failed,
    ...(of !== undefined && !isText && !failed && { of }),
  }
}

function readAiSdkResult({
  toolCallId,
  toolName,
  output,
  result: older,
  isError,
}: JsonObject): Part | undefined {
  const typed = isPlainObject(output) && typeof output.type === 'string' && 'value' in output
  if (!typed) return result(toolCallId, toolName, output ?? older, isError === true)
  const { type, value } = output as { readonly type: string; readonly value: Json }
  // What it lists differs from release to release.
  const isListed =
    type === 'content' && Array.isArray(value) && (value as readonly Json[]).every(isPlainObject)
  return result(toolCallId, toolName, value, type.startsWith('error'), isListed ? 'ai-sdk' : undefined)
}

function readImage({ image: data, mediaType, source }: JsonObject): Part | undefined {
  if (isPlainObject(source)) {
    return source.type === 'base64'
      ? image(`data:${String(source.media_type)};base64,${String(source.data)}`)
      : image(source.url as Json | undefined)
  }
  if (typeof data !== 'string') return undefined
  return image(/^[a-z]+:/i.test(data) ? data : `data:${String(mediaType ?? 'image/png')};base64,${data}`)
}

function image(url: Json | undefined): Part | undefined {
  return typeof url === 'string' ? { type: 'image', url } : undefined
}
