import { readableRef, sameVersion, type VersionedRef } from './ref.js'
import { RefIndex } from './ref-index.js'

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

  /** The first of them that a write touches (STL-2). */
  touchedBy(wrote: string): VersionedRef | undefined {
    const write = readableRef(wrote)
    let first = this.#reads.length
    for (const place of this.#places.touching(write.ref)) {
      if (place < first && !sameVersion(write, this.#reads[place]!)) first = place
    }
    return this.#reads[first]
  }
}
