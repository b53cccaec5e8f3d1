import {
  type Change,
  ChangeSet,
  CommitIndex,
  decodeChange,
  isWeftError,
  NO_NODE,
  reasonOf,
  StateDoc,
} from '@weft/core'
import { sha256 } from './context-copy.js'

/** One thing that is wrong with a log. */
export interface Problem {
  /** `position 12`, `line 3`: where it is. */
  readonly at: string
  readonly code: string
  readonly message: string
}

/** What checking a context came to. */
export interface Verdict {
  readonly tenant?: string
  readonly workflow: string
  /** Changes that are sound. */
  readonly changes: number
  readonly ok: boolean
  readonly problems: readonly Problem[]
  /** How many there are; `problems` lists the first of them. */
  readonly problemCount: number
}

export interface OfferedRecord {
  readonly at: string
  readonly bytes: Uint8Array
  /** The id under which it was kept. */
  readonly id: string
  readonly position?: number | undefined
  /** What the bytes were verified as, where they were. */
  readonly change?: Change
}

const PROBLEMS_MAX = 20

/**
 * Checks a log change by change, as a door would: hashes, ids, positions, causal order, and that the parts can be
 * read. It goes on after damage, so that one bad record does not hide the others.
 */
export class LogCheck {
  readonly set = new ChangeSet(sha256)
  readonly index = new CommitIndex()
  readonly #whole = new Set<string>()
  readonly #bare = new Map<string, string>()
  readonly #problems: Problem[] = []
  #count = 0

  constructor(
    readonly workflow: string,
    readonly tenant?: string,
  ) {}

  get problems(): readonly Problem[] {
    return this.#problems
  }

  record({ at, bytes, id, position, change: verified }: OfferedRecord): void {
    try {
      const change = verified ?? decodeChange(bytes, sha256)
      if (change.id !== id) {
        this.problem(
          at,
          'WEFT_CHANGE_HASH',
          `it is kept as ${id.slice(0, 12)} and its bytes are ${change.id.slice(0, 12)}`,
        )
        return
      }
      if (this.set.add(change, true) === NO_NODE) {
        this.problem(at, 'WEFT_CHANGE_MALFORMED', `change ${id.slice(0, 12)} is here twice`)
        return
      }
      if (position !== undefined) this.#place(at, id, position)
      change.values()
      if (change.complete) this.#whole.add(id)
      else this.#bare.set(id, at)
    } catch (error) {
      this.thrown(at, error)
    }
  }

  #place(at: string, id: string, position: number): void {
    if (this.index.idAt(position) === undefined) this.index.record(position, id)
    else this.problem(at, 'WEFT_FILE_INVALID', `another change has position ${position} already`)
  }

  thrown(at: string, error: unknown): void {
    this.problem(at, isWeftError(error) ? error.code : 'WEFT_INTERNAL', reasonOf(error))
  }

  problem(at: string, code: string, message: string): void {
    this.#count++
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push({ at, code, message })
  }

  /** Compares what was found with what a header or a head record promised. */
  expect(at: string, promised: { readonly count: number; readonly heads: readonly string[] }): void {
    if (this.set.size !== promised.count) {
      this.problem(
        at,
        'WEFT_STORE_CORRUPT',
        `${promised.count} changes were promised and ${this.set.size} are sound`,
      )
    }
    const heads = this.set.ids(this.set.dag.heads)
    if (heads.join() !== [...promised.heads].sort().join()) {
      this.problem(at, 'WEFT_STORE_CORRUPT', 'the heads are not those that were promised')
    }
  }

  /** What is erased is here without its content, and nothing else is (ERA-1). */
  #checkErased(): void {
    const { erasures } = this.set
    for (const [id, at] of this.#bare) {
      if (!erasures.has(id))
        this.problem(
          at,
          'WEFT_STORE_CORRUPT',
          `change ${id.slice(0, 12)} has lost its content, and nothing here erases it`,
        )
    }
    if (erasures.count === 0) return
    for (const id of this.#whole) {
      if (erasures.has(id))
        this.problem(
          `change ${id.slice(0, 12)}`,
          'WEFT_STORE_CORRUPT',
          'its content was erased and is still here',
        )
    }
  }

  /** State changes that Automerge refuses count for nothing, everywhere alike; they should never have been let in. */
  verdict(): Verdict {
    this.#checkErased()
    const state = new StateDoc(this.set, this.set.everything())
    try {
      for (const node of state.refused) {
        const id = this.set.dag.id(node)
        this.problem(`change ${id.slice(0, 12)}`, 'WEFT_CHANGE_STATE', 'its state change cannot be applied')
      }
    } finally {
      state.free()
    }
    const { workflow, tenant } = this
    return {
      ...(tenant !== undefined && { tenant }),
      workflow,
      changes: this.set.size,
      ok: this.#count === 0,
      problems: this.#problems,
      problemCount: this.#count,
    }
  }
}
