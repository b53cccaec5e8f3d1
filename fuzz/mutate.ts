import type { Dice } from './dice.js'

/** Bytes near to others: one to four small things are done to them. */
export function mutated(bytes: Uint8Array, dice: Dice): Uint8Array {
  let result: Uint8Array = bytes.slice()
  for (let times = 1 + dice.roll(4); times > 0; times--)
    result = STEPS[dice.roll(STEPS.length)]!(result, dice)
  return result
}

type Step = (bytes: Uint8Array, dice: Dice) => Uint8Array

const STEPS: readonly Step[] = [
  (bytes, dice) => set(bytes, dice, dice.roll(256)),
  (bytes, dice) => set(bytes, dice, dice.roll(8)),
  (bytes, dice) => set(bytes, dice, 0xff - dice.roll(4)),
  (bytes, dice) => {
    const at = dice.roll(bytes.length + 1)
    return set(bytes, dice, (bytes[at] ?? 0) ^ (1 << dice.roll(8)), at)
  },
  (bytes, dice) => bytes.subarray(0, dice.roll(bytes.length + 1)),
  (bytes, dice) => spliced(bytes, dice.roll(bytes.length + 1), 0, dice.bytes(1 + dice.roll(4))),
  (bytes, dice) => spliced(bytes, dice.roll(bytes.length + 1), 1 + dice.roll(4), new Uint8Array(0)),
  (bytes, dice) => {
    const from = dice.roll(bytes.length + 1)
    return spliced(bytes, dice.roll(bytes.length + 1), 0, bytes.slice(from, from + dice.roll(32)))
  },
]

function set(bytes: Uint8Array, dice: Dice, value: number, at = dice.roll(bytes.length + 1)): Uint8Array {
  if (at < bytes.length) bytes[at] = value
  return bytes
}

function spliced(bytes: Uint8Array, at: number, cut: number, inserted: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, at), ...inserted, ...bytes.subarray(at + cut)])
}
