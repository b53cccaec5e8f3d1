import { reasonOf, WeftError } from '../base/errors.js'
import { assertJson, type Json } from '../base/json.js'
import { type Rendered, renderValue } from '../messages/window-shapes.js'
import type { Entry } from '../set/entry.js'

/**
 * How entries of a kind are told to a model: the value as a text, as a message of OpenAI, the AI SDK or Anthropic, or as
 * a list of such; null or undefined for nothing. Pure, and of every value that was ever written of the kind.
 */
export type Renderers = Readonly<Record<string, ((value: never) => unknown) | undefined>>

/** @throws WEFT_RENDER_FAILED when a renderer throws, or returns what is not JSON */
export function renderEntry({ id, kind, value, erased }: Entry, renderers: Renderers): Rendered {
  if (erased) return NOTHING
  const render = Object.hasOwn(renderers, kind) ? renderers[kind] : undefined
  if (render === undefined) return renderValue(kind, value as Json)
  try {
    const told = render(value as never)
    if (told === undefined || told === null) return NOTHING
    assertJson(told)
    return typeof told === 'string' ? asText(told) : renderValue(kind, told)
  } catch (thrown) {
    throw new WeftError(
      'WEFT_RENDER_FAILED',
      `the renderer of ${kind} fails on entry ${id}: ${reasonOf(thrown)}`,
      'let it return a text, a message or a list of messages for every value of the kind, those of older versions too',
      { kind, entry: id },
      { cause: thrown },
    )
  }
}

const NOTHING: Rendered = { messages: [], spoken: false }

function asText(text: string): Rendered {
  return {
    messages: text.trim() === '' ? [] : [{ role: 'user', parts: [{ type: 'text', text }] }],
    spoken: false,
  }
}
