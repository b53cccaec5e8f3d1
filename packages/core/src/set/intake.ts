import { WeftError } from '../base/errors.js'
import type { ChangeId } from '../base/ids.js'
import { LIMITS } from '../base/limits.js'
import { NO_NODE } from '../base/node.js'
import type { Change } from '../change/change.js'
import type { ChangeSet } from './change-set.js'

export interface IntakeResult {
  /** Changes that are in the set now and were not before, deps first. */
  readonly applied: readonly Change[]
  /** Changes that had waited and turned out not to fit; they changed nothing. */
  readonly refused: readonly { readonly change: Change; readonly error: unknown }[]
}

/** Takes changes in any order and lets each into the set after its deps; what is early waits, in bounds (CHG-3). */
export class Intake {
  readonly #waiting = new Map<ChangeId, Change>()
  readonly #waitingFor = new Map<ChangeId, ChangeId[]>()
  #bytes = 0

  constructor(private readonly set: ChangeSet) {}

  get waiting(): number {
    return this.#waiting.size
  }

  /** The deps that waiting changes lack. */
  missing(): ChangeId[] {
    return [...this.#waitingFor.keys()].filter(id => !this.#waiting.has(id))
  }

  /** @throws what `ChangeSet.add` throws, WEFT_QUEUE_FULL; then nothing has changed */
  receive(change: Change): IntakeResult {
    if (this.set.has(change.id) || this.#waiting.has(change.id)) return { applied: [], refused: [] }
    const missing = this.set.dag.missingDeps(change.header)
    if (missing.length > 0) {
      this.#wait(change, missing[0]!)
      return { applied: [], refused: [] }
    }
    this.set.add(change)
    return this.#release(change)
  }

  #wait(change: Change, dep: ChangeId): void {
    const bytes = change.bytes.length
    if (this.#waiting.size >= LIMITS.waiting_changes_max || this.#bytes + bytes > LIMITS.waiting_bytes_max) {
      throw new WeftError(
        'WEFT_QUEUE_FULL',
        `${this.#waiting.size} changes (${this.#bytes} bytes) wait for their deps already`,
        'send changes in causal order: deps first',
        { change: change.id, dep },
      )
    }
    this.#waiting.set(change.id, change)
    this.#bytes += bytes
    const others = this.#waitingFor.get(dep)
    if (others) others.push(change.id)
    else this.#waitingFor.set(dep, [change.id])
  }

  #release(first: Change): IntakeResult {
    const applied = [first]
    const refused: { change: Change; error: unknown }[] = []
    for (let i = 0; i < applied.length; i++) {
      const ready = this.#waitingFor.get(applied[i]!.id)
      if (!ready) continue
      this.#waitingFor.delete(applied[i]!.id)
      for (const id of ready) {
        const change = this.#waiting.get(id)!
        this.#waiting.delete(id)
        this.#bytes -= change.bytes.length
        const missing = this.set.dag.missingDeps(change.header)
        if (missing.length > 0) {
          this.#wait(change, missing[0]!)
          continue
        }
        try {
          if (this.set.add(change) !== NO_NODE) applied.push(change)
        } catch (error) {
          refused.push({ change, error })
        }
      }
    }
    return { applied, refused }
  }
}
