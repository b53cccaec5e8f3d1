import { type ChangeId, fromHex, type Position } from '@weft/core'
import { checkFits } from './codec.js'
import type { Message } from './messages.js'

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

  #add(question: Question): number {
    checkFits(question)
    this.#open.set(this.#next, { question, sent: false })
    return this.#next++
  }
}
