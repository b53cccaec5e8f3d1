import type { Node } from '../base/node.js'
import { entry } from '../refs/ref-index.js'
import type { VersionedRef } from '../refs/ref.js'
import type { Dag } from '../graph/dag.js'
import type { RefWrites, StrayWrite } from '../writes/ref-writes.js'
import { RefReaders } from './ref-readers.js'
import type { Reader, Units } from './units.js'

/** Who has read an item of a list, by which index. */
interface ItemRead {
  readonly reader: Reader
  readonly index: number
  readonly node: Node
}

/** What was read and is not stale: what a write meets it makes stale, and the next need not meet it. */
export class OpenReads {
  readonly #readers = new RefReaders()

  constructor(
    private readonly dag: Dag,
    private readonly units: Units,
    private readonly writes: RefWrites,
    private readonly isStale: (reader: Reader) => boolean,
  ) {}

  add(read: VersionedRef, reader: Reader): void {
    this.#readers.add(read, reader)
  }

  /**
   * Those that a write of the change that has come last makes stale: what arrived before it is not after it, so that it is
   * superseded or concurrent.
   * @param isEnd of what is told of the end of a list
   */
  metBy(write: VersionedRef, writer: Node, isEnd = false): Reader[] {
    const met = this.#readers.take(write, isEnd)
    const isRead = (list: string): boolean => this.#readers.anyWithin(list)
    for (const stray of this.writes.strayingFrom(write.ref, writer, isRead)) {
      for (const reader of this.#astray(stray)) met.push(reader)
    }
    return met
  }

  /** Those who know an item by another index than who writes to it: they had seen moves that the writer had not. */
  *#astray({ list, at, lowest, fromFor }: StrayWrite): Generator<Reader> {
    const byActor = new Map<number, ItemRead[]>()
    for (const [reader, index] of this.#readers.ofItems(list)) {
      if (index < lowest || this.isStale(reader)) continue
      const node = this.units.nodeOf(reader < 0 ? ~reader : reader)
      entry(byActor, this.dag.actorNumber(node), () => []).push({ reader, index, node })
    }
    for (const reads of byActor.values()) {
      // Of one actor the last has seen the most, and for nobody is more astray.
      const last = fromFor(reads.reduce((node, read) => Math.max(node, read.node), 0))
      if (last > at) continue
      for (const { reader, index, node } of reads) {
        if (last <= index && fromFor(node) <= Math.min(at, index)) yield reader
      }
    }
  }
}
