import { type Change, encodeUtf8, fromHex, sealChange, toHex } from '@weft/core'
import type { Dice } from './dice.js'
import {
  alteredState,
  byActor,
  draftOf,
  foreignState,
  framed,
  miswiredState,
  partsOf,
  withPart,
} from './forge.js'
import { mutated } from './mutate.js'

const TEXTS = [
  '[',
  '[]',
  '[1,2]',
  '{"0":1}',
  '[{"__proto__":{"a":1}}]',
  `${'['.repeat(3_000)}`,
  '[1e999]',
  '["\\ud800"]',
]
const NOTES: readonly Readonly<Record<string, unknown>>[] = [
  { forks: ['x', 'main', 'x'] },
  { reverts: new Uint8Array(32) },
  { merges: { main: new Uint8Array(32) } },
  { completes: new Uint8Array(0) },
  { schema: { name: 's', version: 1 }, migrates: 0 },
  { reason: 'because', step: 's', trace: 't', more: { of: ['it'] } },
]

/**
 * A change that a hostile author may offer, near to `model`, which nobody has yet; each by an actor of its own.
 * @param known what the log holds
 */
export function makeChange(dice: Dice, model: Change, known: readonly Change[]): Uint8Array {
  const actor = toHex(dice.bytes(16))
  const { header } = model
  const own = {
    ...draftOf(model),
    actor,
    state: byActor(model.state!, header.actor, actor),
    time: dice.roll(1_000_000),
  }
  const sealed = (lie: object): Change => sealChange({ ...own, ...lie }, dice.host())
  const states = known.flatMap(({ state }) => state ?? [])
  switch (dice.roll(14)) {
    case 0:
      return mutated(model.bytes, dice)
    case 1: {
      const [head, ...parts] = partsOf(sealed({}))
      return framed([mutated(head!, dice), ...parts])
    }
    case 2: {
      const parts = partsOf(sealed({}))
      parts[1 + dice.roll(2)] = dice.chance(2) ? null : parts[dice.roll(3)]!
      return framed(parts)
    }
    case 3:
      return withPart(
        sealed({}),
        1,
        Uint8Array.from([...new Uint8Array(16), ...encodeUtf8(dice.pick(TEXTS))]),
      )
    case 4:
      return sealed({ seq: dice.roll(3) + 1, lamport: Math.max(1, header.lamport + dice.roll(3) - 1) }).bytes
    case 5: {
      const some = known.filter(() => dice.chance(2)).map(({ id }) => id)
      return sealed({ deps: fromHex(some.sort().join('')), lamport: 1 + dice.roll(known.length + 1) }).bytes
    }
    case 6:
      return sealed({
        notes: dice.pick(NOTES),
        writes: ['state:/k0', 'ext:x', ''],
        branch: dice.pick(['main', 'b']),
      }).bytes
    case 7:
      return sealed({ state: foreignState(actor, states, dice) }).bytes
    case 8:
    case 9:
      return sealed({ state: miswiredState(own.state, states, dice) }).bytes
    default:
      return sealed({ state: alteredState(own.state, dice) }).bytes
  }
}
