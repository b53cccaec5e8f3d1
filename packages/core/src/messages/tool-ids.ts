import { changeOfEntry, type EntryId, indexOfEntry } from '../base/ids.js'
import type { Message } from './window-message.js'

/** A call, by the entry that holds it, and as which of the calls and results there. */
export interface CallPlace {
  readonly id: string
  readonly entry: EntryId
  readonly nth: number
}

/** More than one entry can hold. */
const PER_ENTRY = 100_000
/** With the 20 digits behind it an id is as long as OpenAI takes at most. */
const HEAD_CHARS_MAX = 20
const DIGITS = 19
/** As `givenId` ends: no counter is written with a zero before so many digits. */
const GIVEN = new RegExp(`(?:^|\\D)0\\d{${DIGITS}}$`)

/**
 * The id by which a window tells a call and its result: its own, or, where that cannot be, one that follows from where
 * the call is written, and not from what else there is.
 * @param isFirst whether no call before it bears its id
 * @param unfit what the API does not take in an id
 */
export function toldId(call: CallPlace, isFirst: boolean, unfit?: RegExp): string {
  const fit = unfit === undefined ? call.id : call.id.replace(unfit, '_')
  return isFirst && fit === call.id && !GIVEN.test(call.id) ? call.id : givenId({ ...call, id: fit })
}

/** Messages whose calls and results bear these ids instead, in their order. */
export function withIds(messages: readonly Message[], ids: readonly string[]): Message[] {
  let at = 0
  return messages.map(({ role, parts }) => ({
    role,
    parts: parts.map(part =>
      part.type === 'tool-call' || part.type === 'tool-result' ? { ...part, id: ids[at++]! } : part,
    ),
  }))
}

function givenId({ id, entry, nth }: CallPlace): string {
  // What stands before the counter stays: some models read the name of the tool there.
  const head = /^.*[^a-z0-9]/is.exec(id)?.[0].slice(-HEAD_CHARS_MAX) ?? ''
  const number =
    BigInt(`0x${changeOfEntry(entry).slice(0, 16)}`) + BigInt(indexOfEntry(entry) * PER_ENTRY + nth)
  return `${head}0${String(number % 10n ** BigInt(DIGITS)).padStart(DIGITS, '0')}`
}
