import { clip } from '@weft/cli'

const CHARS_MAX = 64

/** A text of the traces as it can stand in a sentence: one line, not too long, safe for a terminal. */
export function quote(text: string): string {
  return `“${clip(text, CHARS_MAX)}”`
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
