import type { WorkflowId } from '@weft/core'
import type { WaitOptions } from '../base/waiting.js'

/** A handle of whatever shape, to whoever keeps count of them. */
export interface ContextHandle {
  readonly workflow: WorkflowId
  /** Gives back what it holds at the peer, and holds nothing there any more. Never rejects. */
  giveBack(options: WaitOptions): Promise<void>
}

/** The handles that are open on a replica: a context is kept for as long as there is one on it. */
export class Handles {
  readonly #open = new Set<ContextHandle>()
  readonly #kept = new Set<WorkflowId>()

  add(handle: ContextHandle): void {
    this.#open.add(handle)
  }

  /** For whoever has no handle yet. @returns what to delete when that is over */
  wait(workflow: WorkflowId): ContextHandle {
    const waiting: ContextHandle = { workflow, giveBack: async () => {} }
    this.add(waiting)
    return waiting
  }

  /** Has a context kept for good, whoever opens and closes it. */
  keep(workflow: WorkflowId): void {
    this.#kept.add(workflow)
  }

  /** @returns whether its context is kept no longer */
  delete(handle: ContextHandle): boolean {
    const { workflow } = handle
    this.#open.delete(handle)
    return !this.#kept.has(workflow) && ![...this.#open].some(other => other.workflow === workflow)
  }

  async giveBack(options: WaitOptions): Promise<void> {
    await Promise.all([...this.#open].map(handle => handle.giveBack(options)))
  }
}
