import { indexIn } from './list-marks.js'
import { RefIndex } from './ref-index.js'
import { itemsRef, pointerOf, readableRef, sameVersion, type VersionedRef } from './ref.js'

/** Refs that somebody reads, to be held against many writes: each write is parsed once, and meets what it touches alone. */
export class ReadRefs {
  readonly #reads: readonly VersionedRef[]
  readonly #places = new RefIndex<number>()

  constructor(refs: Iterable<string>) {
    this.#reads = [...new Set(refs)].map(readableRef)
    for (const [place, { ref }] of this.#reads.entries()) this.#places.itemsAt(ref).push(place)
  }

  [Symbol.iterator](): Iterator<VersionedRef> {
    return this.#reads.values()
  }

  /**
   * The first of them that a write touches (STL-2).
   * @param isEnd of what a header says of the end of a list: it touches items alone
   */
  touchedBy(wrote: string, isEnd = false): VersionedRef | undefined {
    const write = readableRef(wrote)
    let first = this.#reads.length
    for (const place of this.#places.touching(write.ref, isEnd)) {
      if (place < first && !sameVersion(write, this.#reads[place]!)) first = place
    }
    return this.#reads[first]
  }

  /** Those that are of items of a list, or of something in one, each with the index of that item. */
  *ofItems(list: string): Generator<readonly [VersionedRef, number]> {
    for (const place of this.#places.touching(itemsRef(list), true)) {
      const read = this.#reads[place]!
      yield [read, indexIn(list, pointerOf(read.ref)!)!]
    }
  }
}
