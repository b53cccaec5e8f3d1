import type { Hash } from '@weft/core'
import type { StateTrial, TrialAnswer, TrialQuestion } from './state-trial.js'
import { TrialDocs } from './trial-docs.js'

/** Tries in the same thread: where nothing may happen at its own time. */
export class InlineTrial implements StateTrial {
  readonly #docs: TrialDocs

  constructor(hash: Hash, documents_bytes_max: number) {
    this.#docs = new TrialDocs(hash, documents_bytes_max)
  }

  async ask(_: string, question: TrialQuestion): Promise<TrialAnswer> {
    return this.#docs.answer(question)
  }
}
