import { ABSENT } from '../base/cbor-cursor.js'
import { deepFreeze, type Json } from '../base/json.js'
import type { Node } from '../base/node.js'
import type { Hash } from '../base/ports.js'
import type { Change } from '../change/change.js'
import { type StateForm, StateForms } from '../automerge/state-forms.js'
import type { StateLedger } from '../automerge/state-ledger.js'

/** So many values of the past are kept, each item of a list and each property counting as one. */
const VALUES_MAX = 262_144

/** What is asked of a `ChangeSet`. */
interface Changes {
  readonly size: number
  readonly ledger: Pick<StateLedger, 'hashOf'>
  change(node: Node): Change
  changes(): readonly Change[]
}

/** The state changes of a set as Automerge gets them, by node. */
export class AppliedStates {
  /** Grows whenever what was handed out before is no longer so. */
  #form = 0
  #any = false
  #known = 0
  readonly #forms: StateForms
  readonly #changed = new Map<Node, StateForm>()
  /** What places held right after changes, as far as somebody has asked: that does not change any more. */
  readonly #values = new Map<Node, Map<string, Json | undefined>>()
  #valueCount = 0

  constructor(
    private readonly set: Changes,
    hash: Hash,
  ) {
    this.#forms = new StateForms(hash)
  }

  get form(): number {
    return this.#form
  }

  /** Whether Automerge gets all of them as they were written. */
  get areAsWritten(): boolean {
    return !this.#any
  }

  /** To be called when something was erased. */
  reset(): void {
    this.#form++
    this.#any = this.set.changes().some(change => change.standIn !== null)
    this.#known = 0
    this.#changed.clear()
    this.#forms.clear()
    this.#forgetValues()
  }

  /** What came already without its state was never handed out in another form. */
  noteStandIn(): void {
    if (!this.#any) this.reset()
    this.#any = true
  }

  /** What a place held right after a change; read once. */
  valueAfter(node: Node, place: string, read: () => Json | undefined): Json | undefined {
    const known = this.#values.get(node)
    if (known?.has(place)) return known.get(place)
    const value = deepFreeze(read())
    if (this.#valueCount >= VALUES_MAX) this.#forgetValues()
    this.#valueCount += countValues(value)
    const values = this.#values.get(node)
    if (values) values.set(place, value)
    else this.#values.set(node, new Map([[place, value]]))
    return value
  }

  #forgetValues(): void {
    this.#values.clear()
    this.#valueCount = 0
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

function countValues(value: Json | undefined): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce((sum: number, item: Json) => sum + countValues(item), 1)
}
