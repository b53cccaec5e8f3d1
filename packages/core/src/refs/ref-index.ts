import { itemIndex, keysOf, type Move, moveIn } from './list-marks.js'
import { pointerOf } from './ref.js'

interface TrieNode<T> {
  items: T[]
  readonly children: Map<string, TrieNode<T>>
}

/**
 * Items by ref, found again by any ref that touches theirs (STL-2): state pointers in a trie, other refs by equality. The
 * mark of a move touches what is at its list and above, and in it from where things moved on.
 */
export class RefIndex<T> {
  readonly #exact = new Map<string, T[]>()
  readonly #pointers: TrieNode<T> = newNode()

  /** The items of exactly this ref; the list is live. */
  itemsAt(ref: string): T[] {
    const pointer = pointerOf(ref)
    if (pointer === undefined) {
      return entry(this.#exact, ref, () => [])
    }
    let node = this.#pointers
    for (const key of keysOf(pointer)) {
      node = entry(node.children, key, newNode<T>)
    }
    return node.items
  }

  /** @param isEnd of the mark of a move: it touches items alone, and not the list of which they are */
  *touching(ref: string, isEnd = false): Generator<T> {
    const pointer = pointerOf(ref)
    if (pointer === undefined) {
      yield* this.#exact.get(ref) ?? []
      return
    }
    const { above, within } = this.#touched(pointer)
    if (!isEnd) for (const node of above) yield* node.items
    for (const [, child] of within) for (const below of subtree(child)) yield* below.items
  }

  /** Whether there may be items of refs to what is in a place of the state: to look for them can take long. */
  anyBelow(ref: string): boolean {
    let node: TrieNode<T> | undefined = this.#pointers
    for (const key of keysOf(pointerOf(ref) ?? '')) node = node?.children.get(key)
    return node !== undefined && node.children.size > 0
  }

  /** As `touching`, and takes the items out: what is taken once costs nothing later. */
  take(ref: string, isEnd = false): T[] {
    const pointer = pointerOf(ref)
    if (pointer === undefined) {
      const items = this.#exact.get(ref) ?? []
      this.#exact.delete(ref)
      return items
    }
    const taken: T[] = []
    const takeFrom = (node: TrieNode<T>): void => {
      for (const item of node.items) taken.push(item)
      node.items = []
    }
    const { above, within } = this.#touched(pointer)
    if (!isEnd) for (const node of above) takeFrom(node)
    for (const [key, child] of within) {
      for (const below of subtree(child)) takeFrom(below)
      above.at(-1)!.children.delete(key)
    }
    return taken
  }

  /** The nodes at a pointer and above, or at the list of a move; and those below the last one that are touched too. */
  #touched(pointer: string): {
    readonly above: readonly TrieNode<T>[]
    readonly within: readonly (readonly [string, TrieNode<T>])[]
  } {
    const move = moveIn(pointer)
    let node = this.#pointers
    const above = [node]
    for (const key of keysOf(move?.list ?? pointer)) {
      const next = node.children.get(key)
      if (next === undefined) return { above, within: [] }
      node = next
      above.push(node)
    }
    return { above, within: [...node.children].filter(([key]) => !move || hasMoved(key, move)) }
  }
}

function hasMoved(key: string, { from }: Move): boolean {
  const index = itemIndex(key)
  return index !== undefined && index >= from
}

export function entry<K, T>(map: Map<K, T>, key: K, make: () => T): T {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

function newNode<T>(): TrieNode<T> {
  return { items: [], children: new Map() }
}

function* subtree<T>(root: TrieNode<T>): Generator<TrieNode<T>> {
  const stack = [root]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    yield node
    // Not `push(...)`: what has more children than there can be arguments would end in a RangeError.
    for (const child of node.children.values()) stack.push(child)
  }
}
