import type { Json, JsonObject } from '../base/json.js'

export type Role = 'system' | 'user' | 'assistant' | 'tool'

export type Api = 'openai' | 'ai-sdk' | 'anthropic'

export interface TextPart {
  readonly type: 'text'
  readonly text: string
}

/** A URL; `data:` ones hold the image itself. */
export interface ImagePart {
  readonly type: 'image'
  readonly url: string
}

/** `input` is the JSON text of the arguments as the model wrote it, which need not be sound. */
export interface ToolCallPart {
  readonly type: 'tool-call'
  readonly id: string
  readonly name: string
  readonly input: string
}

export interface ToolResultPart {
  readonly type: 'tool-result'
  readonly id: string
  readonly name: string | undefined
  readonly output: Json
  readonly failed: boolean
  /** Whose blocks `output` lists: told as they are to that API, as JSON to the others. Undefined for any other output. */
  readonly of?: Api
}

/** What only one API knows, from some roles (signed thoughts, files): carried as it is to that one, as text elsewhere. */
export interface OpaquePart {
  readonly type: 'opaque'
  readonly of: Api | undefined
  readonly value: JsonObject
}

export type Part = TextPart | ImagePart | ToolCallPart | ToolResultPart | OpaquePart

/** What an entry says to a model, in no API's form. */
export interface Message {
  readonly role: Role
  readonly parts: readonly Part[]
}

export function textPart(text: string): TextPart {
  return { type: 'text', text }
}
