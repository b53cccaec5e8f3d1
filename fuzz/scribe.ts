import { type Change, fromHex, sealChange, toHex } from '@weft/core'
import type { Dice } from './dice.js'

type Draft = Parameters<typeof sealChange>[0]

/** Seals changes of any shape whose clocks, sequences and deps are right: no door may refuse them for those. */
export class Scribe {
  readonly #last = new Map<string, Change>()
  readonly #host: ReturnType<Dice['host']>

  constructor(private readonly dice: Dice) {
    this.#host = dice.host()
  }

  /** @param beginning bytes that its id is to begin with, in hex */
  actor(beginning = ''): string {
    return (beginning + toHex(this.dice.bytes(16))).slice(0, 32)
  }

  /** A change that has these in its past, and all that its actor wrote before; with one entry unless `more` says otherwise. */
  write(actor: string, after: readonly Change[], more: Partial<Draft> = {}): Change {
    const previous = this.#last.get(actor)
    const deps = [...new Set(previous ? [...after, previous] : after)]
    const change = sealChange(
      {
        actor,
        seq: (previous?.header.seq ?? 0) + 1,
        lamport: 1 + deps.reduce((most, { header }) => Math.max(most, header.lamport), 0),
        time: this.#host.now(),
        branch: 'main',
        agent: 'eve',
        deps: fromHex(
          deps
            .map(({ id }) => id)
            .sort()
            .join(''),
        ),
        kinds: ['message'],
        values: ['hostile'],
        state: null,
        writes: [],
        reads: [],
        notes: {},
        ...more,
      },
      this.#host,
    )
    this.#last.set(actor, change)
    return change
  }
}
