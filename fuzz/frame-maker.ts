import { fromHex } from '@weft/core'
import { encodeMessage, MESSAGES, type Message, type MessageName } from '@weft/protocol'
import type { Dice } from './dice.js'
import { mutated } from './mutate.js'

const NAMES = Object.keys(MESSAGES) as MessageName[]
const TEXTS = ['', 'w', 'main', '@overlays', '@', 'a/b', 'x'.repeat(128), 'x'.repeat(2_000), '\0', '🙂']
const NUMBERS = [0, 1, 2, 3, 255, 256, 65_536, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER]

/** A frame that a hostile or broken client may send. @param changes bytes of changes that there are */
export function makeFrame(
  dice: Dice,
  changes: readonly Uint8Array[],
  names: readonly MessageName[] = NAMES,
): Uint8Array {
  switch (dice.roll(8)) {
    case 0:
      return dice.bytes(dice.roll(120))
    case 1:
      return strange(dice)
    case 2:
      return message(dice, changes, names)
    default:
      return mutated(message(dice, changes, names), dice)
  }
}

/** A message with fields of the right kind, whatever they say. */
function message(dice: Dice, changes: readonly Uint8Array[], names: readonly MessageName[]): Uint8Array {
  const name = dice.pick(names)
  const fields = Object.entries(MESSAGES[name].fields).map(([field, { shape }]) => [
    field,
    field === 'channel' && !dice.chance(8) ? 1 : fieldOf(shape, dice, changes),
  ])
  return encodeMessage({ name, ...Object.fromEntries(fields) } as Message)
}

function fieldOf(shape: unknown, dice: Dice, changes: readonly Uint8Array[]): unknown {
  if (shape === 'uint') return dice.pick(NUMBERS)
  if (shape === 'bool') return dice.chance(2)
  const [kind, of] = shape as [string, unknown]
  switch (kind) {
    case 'text':
      return dice.pick(TEXTS)
    case 'bytes':
      return dice.chance(4)
        ? dice.bytes(dice.roll(80))
        : dice.chance(2)
          ? dice.pick(changes)
          : mutated(dice.pick(changes), dice)
    case 'hashes':
      return dice.bytes(32 * dice.roll(3))
    case 'list':
      return Array.from({ length: dice.roll(4) }, () => fieldOf(of, dice, changes))
    default:
      return dice.chance(2) ? null : fieldOf(of, dice, changes)
  }
}

/** CBOR of shapes that a decoder may not expect. */
function strange(dice: Dice): Uint8Array {
  switch (dice.roll(9)) {
    case 0:
      return new Uint8Array(1 + dice.roll(dice.chance(50) ? 1_000_000 : 5_000)).fill(0x81)
    case 1:
      return fromHex(
        dice.pick(['9bffffffffffffffff', '5bffffffffffffffff', 'bbffffffffffffffff', '9a7fffffff00']),
      )
    case 2:
      return fromHex('8203a2616100616100')
    case 3:
      return fromHex(dice.pick(['9f01ff', '5f4100ff', 'c11a00000000', 'f97e00', 'fb7ff0000000000000', 'f7']))
    case 4:
      return Uint8Array.from([0x80 + dice.roll(24), ...dice.bytes(dice.roll(60))])
    case 5:
      return Uint8Array.from([
        0x83,
        0x03,
        0x01,
        0x99,
        0xff,
        0xff,
        ...new Uint8Array(dice.roll(4_000)).fill(0x40),
      ])
    case 6:
      return Uint8Array.from([0x82, 0x19, 0x03, 0xe8, ...new Uint8Array(dice.roll(2_000)).fill(0xa1)])
    case 7:
      return Uint8Array.from([0x84, 0x01, 0x81, 0x01, 0x7a, 0x00, 0x0f, 0xff, 0xff, ...dice.bytes(30)])
    default:
      return new Uint8Array(dice.chance(40) ? 1_048_577 : dice.roll(3)).fill(dice.roll(256))
  }
}
