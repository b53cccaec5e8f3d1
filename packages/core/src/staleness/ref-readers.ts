import { indexIn } from '../refs/list-marks.js'
import { RefIndex } from '../refs/ref-index.js'
import { itemsRef, pointerOf, stateRef, touches, type VersionedRef } from '../refs/ref.js'
import type { Reader } from './units.js'

/** Those that read one version of a ref, one after the other. */
interface Group extends VersionedRef {
  readonly readers: Reader[]
}

/** What was derived from refs, by what touches these (STL-2). */
export class RefReaders {
  readonly #groups = new RefIndex<Group>()

  add({ ref, version }: VersionedRef, reader: Reader): void {
    const groups = this.#groups.itemsAt(ref)
    const last = groups.at(-1)
    if (last === undefined || last.version !== version) {
      groups.push({ ref, ...(version !== undefined && { version }), readers: [reader] })
    } else if (last.readers.at(-1) !== reader) last.readers.push(reader)
  }

  /** Those of a ref, and of what is above and below it; of a version, if one is named. */
  *of({ ref, version }: VersionedRef): Generator<Reader> {
    for (const group of this.#groups.touching(ref)) {
      if (version === undefined || version === group.version) yield* group.readers
    }
  }

  /** Takes those out that a write touches: each is met once, however often is written. */
  take(write: VersionedRef, isEnd = false): Reader[] {
    const taken: Reader[] = []
    for (const group of this.#groups.take(write.ref, isEnd)) {
      if (touches(write, group)) for (const reader of group.readers) taken.push(reader)
      else this.#putBack(group)
    }
    return taken
  }

  /** Those that read items of a list, or something in one, each with the index of that item. */
  *ofItems(list: string): Generator<readonly [Reader, number]> {
    for (const { ref, readers } of this.#groups.touching(itemsRef(list), true)) {
      const index = indexIn(list, pointerOf(ref)!)!
      for (const reader of readers) yield [reader, index]
    }
  }

  /** Whether there may be some that read something in a list, or in a map. */
  anyWithin(pointer: string): boolean {
    return this.#groups.anyBelow(stateRef(pointer))
  }

  /** All that is left of a ref read the very version that was written, so that it becomes one group. */
  #putBack(group: Group): void {
    const groups = this.#groups.itemsAt(group.ref)
    const left = groups[0]
    if (left === undefined) groups.push(group)
    else for (const reader of group.readers) left.readers.push(reader)
  }
}
