/** As in messages of agents: words, now and then a new line or a quotation mark, which JSON escapes. */
const LETTERS = 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz          \n"'

/** Random numbers from a seed (mulberry32), so that every run does the same work. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** A whole number from 0 up to and without `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((((mixed ^ (mixed >>> 14)) >>> 0) * end) / 4_294_967_296) | 0
  }

  /** A text that takes so many bytes as JSON, without its quotes. */
  text(jsonBytes: number): string {
    let text = ''
    for (let left = jsonBytes; left > 0; ) {
      const letter = left === 1 ? 'a' : LETTERS[this.below(LETTERS.length)]!
      text += letter
      left -= JSON.stringify(letter).length - 2
    }
    return text
  }
}

const ENTRY_BYTES = 300

/** A message as an agent writes it: 300 bytes of JSON. */
export interface Message {
  readonly [key: string]: string
  readonly role: string
  readonly content: string
}

export function message(dice: Dice): Message {
  const role = dice.below(2) === 0 ? 'user' : 'assistant'
  const empty = JSON.stringify({ role, content: '' }).length
  return { role, content: dice.text(ENTRY_BYTES - empty) }
}
