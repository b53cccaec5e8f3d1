import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import { ABSENT } from './cbor-cursor.js'
import type { Hash } from './ports.js'
import { type StateForm, StateForms } from './state-forms.js'

/** The state changes of a set as Automerge gets them, by node. */
export class AppliedStates {
  /** Grows whenever what was handed out before is no longer so. */
  #form = 0
  #any = false
  #known = 0
  readonly #forms: StateForms
  readonly #changed = new Map<Node, StateForm>()

  constructor(
    private readonly set: Pick<ChangeSet, 'change' | 'ledger' | 'size' | 'changes'>,
    hash: Hash,
  ) {
    this.#forms = new StateForms(hash)
  }

  get form(): number {
    return this.#form
  }

  /** To be called when something was erased. */
  reset(): void {
    this.#form++
    this.#any = this.set.changes().some(change => change.standIn !== null)
    this.#known = 0
    this.#changed.clear()
    this.#forms.clear()
  }

  /** What came already without its state was never handed out in another form. */
  noteStandIn(): void {
    if (!this.#any) this.reset()
    this.#any = true
  }

  bytesAt(node: Node): Uint8Array {
    this.#catchUp()
    return this.#changed.get(node)?.bytes ?? this.set.change(node).state!
  }

  /** Automerge's hash of what it gets of the change at `node`; undefined when that has no state. */
  hashAt(node: Node): string | undefined {
    this.#catchUp()
    return this.#changed.get(node)?.hash ?? this.set.ledger.hashOf(node)
  }

  /** A change that Automerge has made on top of what it got, as it is to be written. */
  asWritten(bytes: Uint8Array): Uint8Array {
    this.#catchUp()
    return this.#forms.asWritten(bytes)
  }

  #catchUp(): void {
    if (!this.#any) return
    for (; this.#known < this.set.size; this.#known++) this.#take(this.#known)
  }

  #take(node: Node): void {
    const change = this.set.change(node)
    if (change.header.stateHashAt === ABSENT || this.set.ledger.hashOf(node) === undefined) return
    const form = this.#forms.of(change)
    if (form.hash !== undefined) this.#changed.set(node, form)
  }
}
