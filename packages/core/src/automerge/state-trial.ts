import { getBackend, init } from '@automerge/automerge'
import { compareBytes } from '../base/bytes.js'
import { reasonOf } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import type { Hash } from '../base/ports.js'
import { readStateChunk, type StateChunk } from './automerge-chunk.js'
import { badState } from './automerge-columns.js'
import { tooDeep } from './automerge-op-names.js'
import type { AutomergeDocument } from './state-diff.js'

/**
 * All state changes of a context in one Automerge document, on which new ones are tried before they are admitted.
 *
 * One document for all branches is enough. What a state change names lies in its past, which the ledger has checked; so
 * whether Automerge can take it is decided by that past, which every view that shows the change contains.
 *
 * Saving and loading the document would cost its whole size for each change. What fails in it is this: loading makes the
 * changes anew from the ops and compares their hashes. So one change alone is made anew here, and has to come out as it
 * came in. The fuzzer holds that against real saving and loading.
 */
export class TrialDoc {
  #document = getBackend(init())
  /** As it was before what was tried last, until that is settled. */
  #before: AutomergeDocument | undefined
  #tried: readonly Uint8Array[] = []
  #bytes = 0

  constructor(private readonly hash: Hash) {}

  /** Of the changes in it: what it costs, about. */
  get bytes(): number {
    return this.#bytes
  }

  /** Takes in what the log holds. What Automerge refuses of it counts for nothing, as on every replica. */
  take(states: readonly Uint8Array[]): void {
    if (states.length === 0) return
    const taken = this.#attempt(this.#document, states, false)
    if (typeof taken === 'string' && states.length > 1) {
      for (const state of states) this.take([state])
      return
    }
    this.#bytes += bytesOf(states)
    if (typeof taken === 'string') return
    this.#document.free()
    this.#document = taken
  }

  /** Why each of these may not be admitted; undefined where it may. To be settled before anything else is tried. */
  try(states: readonly Uint8Array[]): (string | undefined)[] {
    this.#before = this.#document
    const all = this.#attempt(this.#document, states, true)
    if (typeof all !== 'string') {
      this.#document = all
      this.#tried = states
      return states.map(() => undefined)
    }
    const tried: Uint8Array[] = []
    this.#tried = tried
    return states.map(state => {
      const one = states.length === 1 ? all : this.#attempt(this.#document, [state], true)
      if (typeof one === 'string') return one
      if (this.#document !== this.#before) this.#document.free()
      this.#document = one
      tried.push(state)
      return undefined
    })
  }

  /** @param kept of those that could be admitted, which were */
  settle(kept: readonly boolean[]): void {
    const before = this.#before
    if (before === undefined) return
    this.#before = undefined
    const tried = this.#tried
    this.#tried = []
    if (kept.every(each => each)) {
      if (before !== this.#document) before.free()
      this.#bytes += bytesOf(tried)
      return
    }
    if (before !== this.#document) this.#document.free()
    this.#document = before
    this.take(tried.filter((_, index) => kept[index]))
  }

  free(): void {
    if (this.#before !== this.#document) this.#before?.free()
    this.#document.free()
  }

  /** @returns a document with these changes too, or why there is none; `base` is as it was */
  #attempt(
    base: AutomergeDocument,
    states: readonly Uint8Array[],
    strictly: boolean,
  ): AutomergeDocument | string {
    // A throw may come after a part of the change was taken in.
    const document = base.clone()
    try {
      const chunks = strictly ? states.map(state => readStateChunk(state, this.hash)) : []
      document.applyChanges([...states])
      chunks.forEach((chunk, index) => {
        checkTaken(document, chunk, states[index]!)
      })
      return document
    } catch (thrown) {
      document.free()
      return reasonOf(thrown)
    }
  }
}

function checkTaken(document: AutomergeDocument, { hash, deps, nests }: StateChunk, state: Uint8Array): void {
  const again: Uint8Array | null = document.getChangeByHash(hash)
  if (again === null) throw badState('it cannot be applied before what it depends on')
  if (compareBytes(again, state) !== 0) throw badState('it is not spelled as Automerge spells it')
  for (const [object, depth] of nests) {
    const { path } = document.objInfo(object, [...deps])
    if (path === undefined) throw badState('it writes into what its author could not see')
    if (path.length + depth > LIMITS.value_depth_max) throw tooDeep()
  }
}

function bytesOf(states: readonly Uint8Array[]): number {
  return states.reduce((sum, { length }) => sum + length, 0)
}
