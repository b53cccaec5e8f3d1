import { type ChangeId, fromHex, type Position } from '@weft/core'
import { checkFits } from './codec.js'
import type { Message } from './messages.js'
import type { ReplicaEffect } from './replica-effects.js'
import { reported } from './session-errors.js'

/** What a peer says to a question. */
export type Answer = Message & { readonly name: 'attested' | 'renewed' | 'current' | 'barred' | 'denied' }

type Question = Message & { readonly name: 'attest' | 'present' | 'renew' | 'confirm' | 'barrier' }

/**
 * What a replica has asked its peer and not been answered; asked again after a reconnect. What the peer could not read is
 * not asked: WEFT_INTERNAL.
 */
export class Questions {
  #next = 1
  readonly #open = new Map<number, { readonly question: Question; sent: boolean }>()

  /** For a token that says how far the log of a workflow reaches. @returns the number of the question */
  attest(workflow: string, position: number): number {
    return this.#add({ name: 'attest', request: this.#next, workflow, position })
  }

  /** Whether a token is genuine, and how far it reaches. @returns the number of the question */
  present(workflow: string, token: string): number {
    return this.#add({ name: 'present', request: this.#next, workflow, token })
  }

  /** That a lease may run on. @returns the number of the question */
  renew(workflow: string, on: string, epoch: number): number {
    return this.#add({ name: 'renew', request: this.#next, workflow, on, epoch })
  }

  /** Whether all of the tenant's overlays is known: their log up to here. @returns the number of the question */
  confirm(position: Position, last: ChangeId | ''): number {
    return this.#add({ name: 'confirm', request: this.#next, position, last: fromHex(last) })
  }

  /** When nobody can begin a step without knowing their log up to here. @returns the number of the question */
  barrier(position: Position, timeout_ms: number): number {
    return this.#add({ name: 'barrier', request: this.#next, position, timeout_ms })
  }

  /** Takes the questions that are to be sent now. */
  unsent(): Question[] {
    const due = [...this.#open.values()].filter(({ sent }) => !sent)
    for (const each of due) each.sent = true
    return due.map(({ question }) => question)
  }

  disconnected(): void {
    for (const each of this.#open.values()) each.sent = false
  }

  /** It is answered, or nobody waits for the answer any more. */
  answered(request: number): void {
    this.#open.delete(request)
  }

  /** @returns what the shell is to do with an answer */
  answer(message: Answer): ReplicaEffect {
    const { request } = message
    this.answered(request)
    switch (message.name) {
      case 'attested':
        return { do: 'attested', request, position: message.position, token: message.token }
      case 'renewed':
        return { do: 'renewed', request, ttl_ms: message.ttl_ms }
      case 'current':
        return { do: 'current', request, position: message.position, ttl_ms: message.ttl_ms }
      case 'barred':
        return { do: 'barred', request, holders: message.holders, left_ms: message.left_ms }
      case 'denied':
        return { do: 'denied', request, error: reported(message) }
    }
  }

  #add(question: Question): number {
    checkFits(question)
    this.#open.set(this.#next, { question, sent: false })
    return this.#next++
  }
}
