/**
 * Where state changes are tried before they are admitted: on a copy of the context's state, apart from the peer, so that
 * what Automerge makes of bytes that it did not expect ends nothing here and holds nobody up.
 */
export interface StateTrial {
  /**
   * @param tenant whose question it is: questions of one wait for each other, and not those of others for them
   * @throws TrialFailed
   */
  ask(tenant: string, question: TrialQuestion): Promise<TrialAnswer>
}

export interface TrialQuestion {
  /** The document that it is asked of: a number for each context that is open. */
  readonly doc: number
  /** One more than that of the last question of this document; else what was answered meanwhile is not known there. */
  readonly serial: number
  /** `begin` makes the document anew, `build` adds what the log holds, `try` asks of new changes, `drop` lets go of it. */
  readonly is: 'begin' | 'build' | 'try' | 'drop'
  /** Of those that were tried last and could be admitted, which were. */
  readonly kept: readonly boolean[]
  readonly states: readonly Uint8Array[]
}

/** `missing`: the document is not there, or no more, and has to be built before anything is tried on it. */
export type TrialAnswer =
  | { readonly is: 'tried'; readonly reasons: readonly (string | undefined)[] }
  | { readonly is: 'built' }
  | { readonly is: 'missing' }

/** It took too long, too much memory, or more than the thread survived; there is no answer. */
export class TrialFailed extends Error {}
