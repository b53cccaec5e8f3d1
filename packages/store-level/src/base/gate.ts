import type { WeftError } from '@weft/core'
import { closed, failed } from './failures.js'

/**
 * Whether the store may be used: open, then for good failed, closed, or both. After a failed write nobody knows what
 * is on disk (DUR-3), so nothing is read or written until the directory is opened anew.
 */
export class Gate {
  #failure: { readonly cause: unknown } | undefined
  #closed = false

  constructor(readonly directory: string) {}

  /** Undefined unless a write has failed. */
  get failure(): WeftError | undefined {
    return this.#failure && this.#unknown(this.#failure.cause)
  }

  /** Why not; undefined while it may be used. */
  get refusal(): WeftError | undefined {
    if (this.#closed) {
      return closed(`the store in ${this.directory} is closed`, 'open it again with openLevelStore()')
    }
    return this.failure
  }

  /** @throws WEFT_STORE_FAILED · WEFT_STORE_CLOSED */
  check(): void {
    const { refusal } = this
    if (refusal !== undefined) throw refusal
  }

  /** @returns what to tell those whose write it was */
  fail(cause: unknown): WeftError {
    this.#failure ??= { cause }
    return this.#unknown(cause)
  }

  close(): void {
    this.#closed = true
  }

  #unknown(cause: unknown): WeftError {
    return failed(
      this.directory,
      'a write failed, and whether it is on disk is unknown',
      cause,
      `check the disk under ${this.directory}, then close the store, open it again and read what is there`,
    )
  }
}
