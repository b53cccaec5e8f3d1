import { type Hash, TrialDoc } from '@weft/core'
import type { TrialAnswer, TrialQuestion } from './state-trial.js'

interface Held {
  readonly trial: TrialDoc
  /** Of the last question. */
  serial: number
  isBuilt: boolean
}

/** The documents that changes are tried on, those of late: as many as fit into a budget of bytes of their changes. */
export class TrialDocs {
  /** In the order of their last use. */
  readonly #docs = new Map<number, Held>()

  constructor(
    private readonly hash: Hash,
    private readonly bytes_max: number,
  ) {}

  answer({ is, doc, serial, kept, states }: TrialQuestion): TrialAnswer {
    const held = is === 'begin' ? this.#begin(doc, serial) : this.#docs.get(doc)
    if (is === 'drop' || held === undefined || (is !== 'begin' && held.serial !== serial - 1)) {
      this.#free(doc)
      return { is: 'missing' }
    }
    held.serial = serial
    held.trial.settle(kept)
    if (is !== 'try') {
      held.trial.take(states)
      return { is: 'built' }
    }
    held.isBuilt = true
    this.#docs.delete(doc)
    this.#docs.set(doc, held)
    this.#makeRoom(doc)
    return { is: 'tried', reasons: held.trial.try(states) }
  }

  #begin(doc: number, serial: number): Held {
    this.#free(doc)
    const held = { trial: new TrialDoc(this.hash), serial, isBuilt: false }
    this.#docs.set(doc, held)
    return held
  }

  /** Frees what was used longest ago, but for what is in use, or about to be. */
  #makeRoom(inUse: number): void {
    let bytes = 0
    for (const { trial } of this.#docs.values()) bytes += trial.bytes
    for (const [doc, { trial, isBuilt }] of this.#docs) {
      if (bytes <= this.bytes_max) return
      if (doc === inUse || !isBuilt) continue
      bytes -= trial.bytes
      this.#free(doc)
    }
  }

  #free(doc: number): void {
    this.#docs.get(doc)?.trial.free()
    this.#docs.delete(doc)
  }
}
