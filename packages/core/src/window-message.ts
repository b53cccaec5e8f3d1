import type { Json, JsonObject } from './json.js'

export type Role = 'system' | 'user' | 'assistant' | 'tool'

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
}

/** What only one API knows (signed thoughts, files): carried as it is to that one, as text to the others. */
export interface OpaquePart {
  readonly type: 'opaque'
  readonly of: 'openai' | 'ai-sdk' | 'anthropic' | undefined
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

/** An opaque part for those who do not know it; what a model thought in private is not told. */
export function opaqueText({ value }: OpaquePart): string | undefined {
  return /thinking|reasoning/.test(String(value.type)) ? undefined : JSON.stringify(value)
}
