import { childPointer, type Entry, type EntryId, type MovedFrom } from '@weft/core'
import { isDraft } from 'immer'

/** A manifest gives so much of its change's header to what was read of the state. */
const POINTER_BYTES_MAX = 16_384

/** What was read of a state: pointers to values, and to containers that were looked at as a whole. */
export class ReadLog {
  readonly #read = new Set<string>()
  /** Containers that were handed out; those that nothing is read of count as read themselves. */
  readonly #handedOut = new Set<string>()

  /** Lists of which the step has moved items itself, or put some to the end: by its indexes, others know other items from there on. */
  readonly #moved = new Map<string, number>()

  read(pointer: string): void {
    this.#read.add(this.#named(pointer))
  }

  handOut(pointer: string): void {
    this.#handedOut.add(this.#named(pointer))
  }

  /** Names all of a list for whatever is read behind an index of it from now on. */
  move({ list, from }: MovedFrom): void {
    this.#moved.set(list, Math.min(from, this.#moved.get(list) ?? from))
  }

  /** Whether a pointer goes by an item that others know by another index, or not at all. */
  hasMoved(pointer: string): boolean {
    return this.#named(pointer) !== pointer
  }

  #named(pointer: string): string {
    for (const [list, from] of this.#moved) {
      if (!pointer.startsWith(`${list}/`)) continue
      // Up to the next key, or the end.
      if (Number.parseInt(pointer.slice(list.length + 1), 10) >= from) return list
    }
    return pointer
  }

  /** Pointers that cover all that was read, ascending: the fewest, and fewer where those do not fit into a header. */
  pointers(): string[] {
    const outer = new Set<string>()
    // What is in there is in there with all that holds it.
    const add = (holder: string): boolean => outer.size === outer.add(holder).size
    for (const pointer of this.#read) someHolder(pointer, add)
    for (const pointer of this.#handedOut) someHolder(pointer, add)
    const all = new Set(this.#read)
    for (const pointer of this.#handedOut) if (!outer.has(pointer)) all.add(pointer)
    const fewest = [...all].filter(pointer => !someHolder(pointer, holder => all.has(holder)))
    return covering(fewest, POINTER_BYTES_MAX).sort()
  }
}

/**
 * Pointers that cover these and take no more bytes: of the deepest ones, what holds them is named instead, so often as it
 * must be. That a step read more than it did makes it stale too often, never too seldom (STL-2).
 */
function covering(pointers: readonly string[], bytes_max: number): string[] {
  let all = [...pointers]
  while (all.reduce((sum, pointer) => sum + Buffer.byteLength(pointer), 0) > bytes_max) {
    const deepest = all.reduce((most, pointer) => Math.max(most, depthOf(pointer)), 0)
    all = [...new Set(all.map(pointer => (depthOf(pointer) < deepest ? pointer : holderOf(pointer))))]
  }
  return all
}

function depthOf(pointer: string): number {
  return pointer.split('/').length
}

function holderOf(pointer: string): string {
  return pointer.slice(0, pointer.lastIndexOf('/'))
}

/** Whether one of those that hold what a pointer names passes a test; asked from the nearest to the whole. */
function someHolder(pointer: string, passes: (holder: string) => boolean): boolean {
  for (let at = pointer.lastIndexOf('/'); at >= 0; at = at === 0 ? -1 : pointer.lastIndexOf('/', at - 1))
    if (passes(pointer.slice(0, at))) return true
  return false
}

/** Makes proxies of entries record whose value was looked at; one for all of them, as a step may look at thousands. */
export function entryTracker(read: Set<EntryId>): ProxyHandler<Entry> {
  return {
    get(entry, key) {
      if (key === 'value') read.add(entry.id)
      return Reflect.get(entry, key) as unknown
    },
  }
}

/** What is read of a container with a key. That a list has no item there is told by its length. */
export function pointerRead(container: object, pointer: string, key: string): string {
  const isOfAll = Array.isArray(container) && (key === 'length' || !Object.hasOwn(container, key))
  return isOfAll ? pointer : childPointer(pointer, key)
}

/** What views of a state show, by the view. */
const SHOWN = new WeakMap<object, () => unknown>()

/** What a value shows that is a view of a state, of which all is then read; any other value is what it is. */
export function shownBy(value: unknown): unknown {
  return SHOWN.get(value as object)?.() ?? value
}

/** Puts what they show in the place of views of a state within something new: views can be neither frozen nor kept. */
export function replaceViews(value: unknown, known = new Set<object>()): void {
  if (!isContainer(value) || Object.isFrozen(value) || isDraft(value) || known.has(value)) return
  known.add(value)
  for (const [key, item] of Object.entries(value)) {
    const shown = shownBy(item)
    if (shown !== item) Reflect.set(value, key, shown)
    replaceViews(shown, known)
  }
}

/** A view of immutable JSON that logs what is read through it (STL-1). */
export function trackReads<T>(value: T, log: ReadLog, pointer = ''): T {
  if (!isContainer(value)) return value
  const views = new Map<string, unknown>()
  const get = (key: string | symbol): unknown => {
    const item = (value as Record<string | symbol, unknown>)[key]
    if (typeof key === 'symbol' || typeof item === 'function') return item
    const below = pointerRead(value, pointer, key)
    if (!isContainer(item)) {
      log.read(below)
      return item
    }
    log.handOut(below)
    if (!views.has(key)) views.set(key, trackReads(item, log, below))
    return views.get(key)
  }
  // The target is empty: a proxy may not answer for a frozen property with anything but itself.
  const target = (Array.isArray(value) ? [] : {}) as T & object
  const view = new Proxy(target, {
    get: (_, key) => get(key),
    has(_, key) {
      if (typeof key !== 'symbol') log.read(pointerRead(value, pointer, key))
      return key in value
    },
    ownKeys() {
      log.read(pointer)
      return Reflect.ownKeys(value)
    },
    getOwnPropertyDescriptor(_, key) {
      const own = Reflect.getOwnPropertyDescriptor(value, key)
      const item = get(key)
      if (own === undefined) return undefined
      // What the empty target has of its own, the length of a list, has to be described as it is there.
      const isLength = Array.isArray(value) && key === 'length'
      return { value: item, enumerable: !isLength, writable: isLength, configurable: !isLength }
    },
    set: refuseWrite,
    defineProperty: refuseWrite,
    deleteProperty: refuseWrite,
  })
  const show = (): T => {
    log.read(pointer)
    return value
  }
  SHOWN.set(view, show)
  // Or who prints it would see the empty target.
  Object.defineProperty(target, PRINTED, { value: show, configurable: true })
  return view
}

/** What Node asks an object for, before it prints it. */
const PRINTED = Symbol.for('nodejs.util.inspect.custom')

function refuseWrite(): never {
  throw new TypeError('the state of a step is read-only: use step.change')
}

export function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
