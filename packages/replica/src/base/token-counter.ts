import { createRequire } from 'node:module'
import type { TokenCounter } from '@weft/core'

type Tokenizer = typeof import('gpt-tokenizer/encoding/o200k_base')

let tokenizer: Tokenizer | undefined

/**
 * Tokens as GPT-4o and later count them (o200k_base), offline. Other models' tokenizers are of the same kind and differ
 * by some percent: leave them some room, or pass a counter of their own.
 */
export const o200k: TokenCounter = {
  name: 'o200k_base',
  count: text => {
    const { countTokens } = loaded()
    let tokens = 0
    for (const piece of pieces(text)) tokens += countTokens(piece, AS_TEXT)
    return tokens
  },
  adds: true,
}

/** The vocabulary takes some 60 MB and 0.2 s: whoever counts first loads it, at once, since windows are not awaited. */
function loaded(): Tokenizer {
  tokenizer ??= createRequire(import.meta.url)('gpt-tokenizer/encoding/o200k_base') as Tokenizer
  return tokenizer
}

/** Lets go of what was counted: the tokenizer keeps words that it has met, and each keeps the text that it was cut from. */
export function forgetCounted(): void {
  tokenizer?.clearMergeCache()
}

/** Names of special tokens that stand in a text are text. */
const AS_TEXT = { disallowedSpecial: new Set<string>() }

const PIECE_CHARS_MAX = 1_024

/**
 * A run without a break costs the square of its length: a megabyte of one letter would take an hour. Cut before a
 * space, where tokens begin anyway; a text that has none for long counts for a token more with each cut.
 */
function* pieces(text: string): Generator<string> {
  let start = 0
  while (text.length - start > PIECE_CHARS_MAX) {
    const space = text.lastIndexOf(' ', start + PIECE_CHARS_MAX)
    const end = space > start + PIECE_CHARS_MAX / 2 ? space : afterWhole(text, start + PIECE_CHARS_MAX)
    yield text.slice(start, end)
    start = end
  }
  yield text.slice(start)
}

/** Not between the halves of a surrogate pair. */
function afterWhole(text: string, end: number): number {
  return text.codePointAt(end - 1)! > 0xffff ? end + 1 : end
}
