import { parsePointer } from './json.js'
import { pointerOf } from './ref.js'

interface TrieNode<T> {
  items: T[]
  readonly children: Map<string, TrieNode<T>>
}

/** Items by ref, found again by any ref that touches theirs (STL-2): state pointers in a trie, other refs by equality. */
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
    for (const key of parsePointer(pointer)) {
      node = entry(node.children, key, newNode<T>)
    }
    return node.items
  }

  *touching(ref: string): Generator<T> {
    const pointer = pointerOf(ref)
    if (pointer === undefined) {
      yield* this.#exact.get(ref) ?? []
      return
    }
    let node: TrieNode<T> | undefined = this.#pointers
    for (const key of parsePointer(pointer)) {
      yield* node.items
      node = node.children.get(key)
      if (node === undefined) return
    }
    for (const below of subtree(node)) yield* below.items
  }

  /** As `touching`, and takes the items out: what is taken once costs nothing later. */
  take(ref: string): T[] {
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
    let node: TrieNode<T> | undefined = this.#pointers
    for (const key of parsePointer(pointer)) {
      takeFrom(node)
      node = node.children.get(key)
      if (node === undefined) return taken
    }
    for (const below of subtree(node)) takeFrom(below)
    node.children.clear()
    return taken
  }
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
