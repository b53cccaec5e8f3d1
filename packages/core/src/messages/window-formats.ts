import type { JsonObject } from '../base/json.js'
import { toAiSdk } from './format-ai-sdk.js'
import { type AnthropicWindow, joinTurns, OPENING, toTurns, type Turn } from './format-anthropic.js'
import { toOpenAi } from './format-openai.js'
import type { Message } from './window-message.js'

/** The forms in which a window can be had: an API's own, or `parts`, which belongs to none. */
export const WINDOW_FORMATS = ['openai', 'ai-sdk', 'anthropic', 'parts'] as const
export type WindowFormat = (typeof WINDOW_FORMATS)[number]

/** What is handed to the model: `messages`, for Anthropic `system` beside them, else `parts`. */
export interface WindowContent {
  readonly messages?: readonly JsonObject[]
  readonly system?: readonly JsonObject[]
  readonly parts?: readonly Message[]
}

/** A window put together. */
export interface Assembled {
  readonly content: WindowContent
  /** The exact JSON of what the API is given. */
  readonly text: string
  /** Tiles that were counted and turned out not to be needed. */
  readonly saved: readonly string[]
}

type Item = JsonObject | Message | Turn

/**
 * A form, as text that is counted in tiles: those of `base` and of all items together, less `saved`, are the text. So
 * each item is counted once and for all, wherever it comes to stand.
 */
export interface Format {
  readonly base: readonly string[]
  /** What its API does not take in the id of a call; undefined where it takes anything. */
  readonly unfit?: RegExp
  readonly write: (message: Message) => readonly Item[]
  readonly tiles: (item: Item) => readonly string[]
  readonly assemble: (items: readonly Item[]) => Assembled
}

function listed<T extends Item>(
  write: (message: Message) => readonly T[],
  contentOf: (items: readonly T[]) => WindowContent,
): Format {
  return {
    base: ['[]'],
    write,
    // What stands behind an item is a comma, behind the last one the bracket that ends the list.
    tiles: item => [`${JSON.stringify(item)},`],
    assemble: items => ({
      content: contentOf(items as readonly T[]),
      text: JSON.stringify(items),
      saved: [],
    }),
  }
}

const messagesOnly = (messages: readonly JsonObject[]): WindowContent => ({ messages })

export const FORMATS: Readonly<Record<WindowFormat, Format>> = {
  openai: listed(toOpenAi, messagesOnly),
  'ai-sdk': listed(toAiSdk, messagesOnly),
  parts: listed(
    message => [message],
    parts => ({ parts }),
  ),
  anthropic: {
    base: ['{"system":[],"messages":[]}', ...turnTiles(OPENING)],
    unfit: /[^a-zA-Z0-9_-]/g,
    write: toTurns,
    tiles: item => turnTiles(item as Turn),
    assemble: items => assembleTurns(items as readonly Turn[]),
  },
}

function turnTiles({ role, content }: Turn): string[] {
  return [frameOf(role), ...content.map(block => `${JSON.stringify(block)},`)]
}

/** What the system says has a frame only where it does not stand at the beginning, and is the user's. */
function frameOf(role: Turn['role']): string {
  return `{"role":"${role === 'assistant' ? role : 'user'}","content":[]}`
}

function assembleTurns(turns: readonly Turn[]): Assembled {
  const joined: AnthropicWindow = joinTurns(turns)
  const { system, messages } = joined
  const opened = messages[0]?.content[0] === OPENING.content[0]
  const written = opened ? messages.slice(1).map(({ role }) => role) : messages.map(({ role }) => role)
  const saved = without(
    turns.map(({ role }) => frameOf(role)),
    written.map(frameOf),
  )
  return {
    content: { system, messages: messages as readonly object[] as readonly JsonObject[] },
    text: JSON.stringify(joined),
    saved: opened ? saved : [...saved, ...turnTiles(OPENING)],
  }
}

/** The items of `all` that are left when each of `used` takes one of its kind away. */
function without(all: readonly string[], used: readonly string[]): string[] {
  const left = [...all]
  for (const item of used) {
    const at = left.indexOf(item)
    if (at >= 0) left.splice(at, 1)
  }
  return left
}
