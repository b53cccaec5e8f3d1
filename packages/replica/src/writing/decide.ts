import { checkPointer, type Json, type JsonObject, stateRef, valueAt } from '@weft/core'
import { withValueAt } from '../base/pointer-write.js'
import { checkWait, type WaitOptions } from '../base/waiting.js'
import { type Accepted, isRefusedFor, Proposal, type ProposalScope, untilSeen } from './proposer.js'

export interface DecideOptions extends WaitOptions {
  /** Why, for people: up to 1,024 characters. */
  readonly reason?: string
  /** How often to decide anew after somebody was faster. Default 16. */
  readonly attempts?: number
}

/** What was decided, on which look at the state, and after how many. */
export interface Decision extends Accepted {
  readonly value: Json | undefined
  readonly attempts: number
}

const ATTEMPTS = 16

/**
 * Reads a pointer, lets `choose` decide, and commits only if nobody has written there meanwhile; else it looks again.
 * @throws WEFT_PRECONDITION when others were faster every time, and as `Proposal.offer`
 */
export async function decide(
  begin: () => ProposalScope,
  pointer: string,
  choose: (value: Json | undefined, state: JsonObject) => Promise<Json | undefined> | Json | undefined,
  validated: (state: JsonObject) => JsonObject,
  options: DecideOptions,
): Promise<Decision> {
  checkPointer(pointer)
  const ref = stateRef(pointer)
  const { reason } = checkWait(options)
  const notes = reason === undefined ? {} : { notes: { reason } }
  for (let attempts = 1; ; attempts++) {
    const scope = begin()
    const proposal = new Proposal(scope, scope.context.set.heads(scope.branch))
    try {
      const { state } = proposal
      const value = await choose(valueAt(state, pointer), state)
      const next = validated(withValueAt(state, pointer, value))
      const write = { state: next, touches: [pointer], reads: [{ ref }], ...notes }
      const accepted = await proposal.offer(write, { unmoved: [ref] }, options)
      return { ...accepted!, value, attempts }
    } catch (error) {
      if (attempts >= (options.attempts ?? ATTEMPTS) || !isRefusedFor(error, 'WEFT_PRECONDITION')) throw error
      await untilSeen(scope.context, error, options)
    } finally {
      proposal.free()
    }
  }
}
