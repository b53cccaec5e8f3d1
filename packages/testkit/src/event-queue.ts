/** Something that will happen. */
export interface Happening {
  at_ms: number
  /** Of those at one moment the one that was planned first comes first. */
  readonly order: number
  readonly run: () => void
  readonly label: string
  cancelled: boolean
}

/** What is to come, soonest first: a binary heap. */
export class EventQueue<T extends Happening> {
  readonly #heap: T[] = []

  get size(): number {
    return this.#heap.length
  }

  push(happening: T): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(happening)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(happening, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = happening
  }

  pop(): T | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.at_ms < b.at_ms || (a.at_ms === b.at_ms && a.order < b.order)
}
