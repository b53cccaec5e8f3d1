/** A place in the tree: a pointer at which something is held, or at which the ways to two others part. */
export interface Spot<T> {
  readonly pointer: string
  /** Undefined where nothing is held. */
  value: T | undefined
  /** Where the rest of a pointer below it begins, less the separator. */
  readonly end: number
  parent: Spot<T> | undefined
  /** By the first key of what they have below this one; undefined for as long as there was none. */
  children: Map<string, Spot<T>> | undefined
}

/**
 * Values by JSON pointer, found again by the pointers above and below theirs. There are at most two spots for each
 * pointer held, however many keys it has: a long one costs what its text does. Keys are compared as they are written,
 * `~0` and `~1` and all, since a key is written in one way only.
 */
export class PointerTree<T> {
  /** Above all pointers, the empty one too. */
  readonly #root: Spot<T> = newSpot<T>('', -1, undefined)

  /** The spots strictly above a pointer, from the top. */
  above(pointer: string): Spot<T>[] {
    const above: Spot<T>[] = []
    this.#descend(pointer, above)
    return above
  }

  /** The highest spot at a pointer or below it: all that is held there is in its subtree. */
  within(pointer: string): Spot<T> | undefined {
    const next = this.#descend(pointer)
    return next && (next.pointer === pointer || isBelow(next.pointer, pointer)) ? next : undefined
  }

  /** The spot of a pointer, made if there is none. */
  at(pointer: string): Spot<T> {
    const above: Spot<T>[] = []
    const next = this.#descend(pointer, above)
    const parent = above.at(-1) ?? this.#root
    if (next === undefined) return hang(parent, newSpot(pointer, pointer.length, parent))
    if (next.pointer === pointer) return next
    const parting = isBelow(next.pointer, pointer) ? pointer : commonAbove(next.pointer, pointer)
    const made = hang(parent, newSpot<T>(parting, parting.length, parent))
    next.parent = made
    hang(made, next)
    return parting === pointer ? made : hang(made, newSpot(pointer, pointer.length, made))
  }

  /** Lets go of what a spot holds, and of the spots that nothing is held at or parts at any more. */
  clear(spot: Spot<T>): void {
    spot.value = undefined
    let at = spot
    for (let { parent } = at; parent && at.value === undefined; { parent } = at) {
      const count = at.children?.size ?? 0
      if (count > 1) return
      const key = keyOf(at.pointer, parent)
      if (count === 1) {
        const [child] = at.children!.values()
        child!.parent = parent
        parent.children!.set(key, child!)
        return
      }
      parent.children!.delete(key)
      at = parent
    }
  }

  /** Fills `above` with the spots strictly above; returns the next one on the way, whether or not it is on the pointer's. */
  #descend(pointer: string, above?: Spot<T>[]): Spot<T> | undefined {
    let at = this.#root
    for (;;) {
      const next = at.children?.get(keyOf(pointer, at))
      if (next === undefined || !isBelow(pointer, next.pointer)) return next
      above?.push(next)
      at = next
    }
  }
}

/** A spot and all below it, each before those below itself. */
export function* subtree<T>(spot: Spot<T> | undefined): Generator<Spot<T>> {
  const stack = spot ? [spot] : []
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    yield at
    if (at.children) for (const child of at.children.values()) stack.push(child)
  }
}

function newSpot<T>(pointer: string, end: number, parent: Spot<T> | undefined): Spot<T> {
  return { pointer, value: undefined, end, parent, children: undefined }
}

function hang<T>(parent: Spot<T>, spot: Spot<T>): Spot<T> {
  parent.children ??= new Map()
  parent.children.set(keyOf(spot.pointer, parent), spot)
  return spot
}

/** The key by which a pointer goes on below a spot. */
function keyOf<T>(pointer: string, above: Spot<T>): string {
  const start = above.end + 1
  const end = pointer.indexOf('/', start)
  return end < 0 ? pointer.slice(start) : pointer.slice(start, end)
}

export function isBelow(pointer: string, above: string): boolean {
  return pointer.length > above.length && pointer[above.length] === '/' && pointer.startsWith(above)
}

/** The lowest pointer above two that begin with the same key, neither of them being above the other. */
function commonAbove(a: string, b: string): string {
  let same = 0
  while (same < a.length && a[same] === b[same]) same++
  return a.slice(0, a.lastIndexOf('/', same - 1))
}
