import { parsePointer } from './json.js'
import { pointerOf } from './ref.js'

interface TrieNode<T> {
  readonly items: T[]
  readonly children: Map<string, TrieNode<T>>
}

/** Items by ref, found again by any ref that touches theirs (STL-2): state pointers in a trie, other refs by equality. */
export class RefIndex<T> {
  readonly #exact = new Map<string, T[]>()
  readonly #pointers: TrieNode<T> = newNode()

  add(ref: string, item: T): void {
    this.itemsAt(ref).push(item)
  }

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
    yield* subtree(node)
  }
}

function entry<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

function newNode<T>(): TrieNode<T> {
  return { items: [], children: new Map() }
}

function* subtree<T>(root: TrieNode<T>): Generator<T> {
  const stack = [root]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    yield* node.items
    stack.push(...node.children.values())
  }
}
