import { BranchWriter, type Change, ChangeSet, type JsonObject } from '@weft/core'
import { type Dice, sha256 } from './dice.js'
import type { Line } from './line.js'

/** A worker that keeps to everything, on a line of its own. */
export class Honest {
  readonly set = new ChangeSet(sha256)
  readonly #dice: Dice
  readonly #writers: readonly BranchWriter[]

  constructor(
    private readonly line: Line,
    dice: Dice,
  ) {
    this.#dice = dice
    const host = dice.host()
    this.#writers = [0, 1].map(index => new BranchWriter(this.set, host, 'main', `honest-${index}`))
  }

  /** Writes one change of state and entries, of one of two writers that see each other. */
  write(): Change {
    const dice = this.#dice
    const writer = dice.pick(this.#writers)
    const state = { ...writer.state.read() } as Record<string, unknown>
    state[`k${dice.roll(4)}`] = this.#value(0)
    const list = Array.isArray(state.list) ? [...(state.list as unknown[])] : []
    list.splice(dice.roll(list.length + 1), dice.roll(2), this.#value(1))
    state.list = list
    const entries = [{ kind: 'message', value: { text: `said ${dice.roll(100)}` } }]
    return writer.write({ state: state as JsonObject, entries })!
  }

  /** Offers a change, and waits until it is acknowledged. @throws when that takes too long */
  async push(changes: readonly Change[]): Promise<void> {
    const missing = new Set(changes.map(({ id }) => id))
    this.line.say({ name: 'push', channel: 1, changes: changes.map(({ bytes }) => bytes) })
    while (missing.size > 0) {
      const answer = await nextOf(this.line, ['log', 'ack', 'refuse', 'fail'])
      if (answer.name === 'refuse' || answer.name === 'fail')
        throw new Error(`an honest change was answered with ${answer.name} ${answer.code}: ${answer.message}`)
      for (const id of this.#idsIn(answer)) missing.delete(id)
    }
  }

  free(): void {
    for (const writer of this.#writers) writer.state.free()
  }

  #idsIn(answer: Awaited<ReturnType<typeof nextOf>>): string[] {
    if (answer.name === 'ack') return split(answer.ids)
    if (answer.name !== 'log') return []
    const position = answer.from + answer.items.length - 1
    this.line.say({ name: 'seen', channel: 1, position })
    return answer.items.filter(item => item.length === 32).map(hex)
  }

  #value(depth: number): unknown {
    const dice = this.#dice
    switch (dice.roll(depth > 2 ? 4 : 6)) {
      case 0:
        return dice.roll(200) - 100
      case 1:
        return `s${dice.roll(50)}`
      case 2:
        return null
      case 3:
        return dice.roll(10) / 4
      case 4:
        return Array.from({ length: dice.roll(4) }, () => this.#value(depth + 1))
      default:
        return Object.fromEntries(
          Array.from({ length: dice.roll(4) }, () => [`k${dice.roll(4)}`, this.#value(depth + 1)]),
        )
    }
  }
}

/** The next message of one of these names. */
export async function nextOf<Name extends 'log' | 'ack' | 'refuse' | 'fail'>(
  line: Line,
  names: readonly Name[],
) {
  const name = await line.nextName(names)
  return line.next(name)
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function split(ids: Uint8Array): string[] {
  return Array.from({ length: ids.length / 32 }, (_, i) => hex(ids.subarray(i * 32, i * 32 + 32)))
}
