import { type Json, type JsonObject, jsonEquals, LIMITS, parsePointer, WeftError } from '@weft/core'

/** One operation of a JSON Patch (RFC 6902). */
export type Operation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: Json }
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'move' | 'copy'; readonly path: string; readonly from: string }

type Container = readonly Json[] | JsonObject
/** A container that nobody else has. */
type Own = Json[] | Record<string, Json>

/** What a patch may copy in all, in values: copies of copies grow beyond all bounds. */
const COPIED_VALUES_MAX = LIMITS.change_bytes_max
/** Items of lists that a patch may push aside in all, to put others among them or to take some out. */
const MOVED_ITEMS_MAX = 67_108_864

/**
 * A document with all operations of a patch applied, or none. Nothing of the old one is changed, and what both have in
 * common is shared. The libraries for this take keys such as `constructor` for something else than keys, and look up
 * what is not there in the prototype.
 * @throws WEFT_PATCH_REFUSED, with the operation that does not apply in `details` · WEFT_POINTER_INVALID
 */
export function applyPatch(document: Json, patch: readonly Operation[]): Json {
  const patched = new Patched(document)
  for (const [index, operation] of patch.entries()) {
    try {
      patched.apply(operation)
    } catch (thrown) {
      throw thrown instanceof Inapplicable ? refused(index, operation, thrown.message) : thrown
    }
  }
  return patched.document
}

/** The pointers that a patch reads, where it does more than overwrite: what it tests, copies and moves. */
export function pointersRead(patch: readonly Operation[]): string[] {
  const read = patch.flatMap(operation => {
    if (operation.op === 'test') return [operation.path]
    return 'from' in operation ? [operation.from] : []
  })
  return [...new Set(read)]
}

/** The pointers whose values a patch tests. */
export function pointersTested(patch: readonly Operation[]): string[] {
  return [...new Set(patch.filter(({ op }) => op === 'test').map(({ path }) => path))]
}

/** Why an operation does not apply to a document. */
class Inapplicable extends Error {}

/** What becomes of a document: each container that is changed is copied once, and is this patch's own from then on. */
class Patched {
  readonly #own = new Set<Json>()
  #copies_left = COPIED_VALUES_MAX
  #moves_left = MOVED_ITEMS_MAX

  constructor(public document: Json) {}

  apply(operation: Operation): void {
    const path = parsePointer(operation.path)
    switch (operation.op) {
      case 'add':
        this.#add(path, operation.value)
        return
      case 'remove':
        this.#remove(path)
        return
      case 'replace':
        required(this.document, path)
        if (path.length === 0) this.document = operation.value
        else put(this.#holderOf(path), path.at(-1)!, operation.value)
        return
      case 'test':
        if (jsonEquals(required(this.document, path), operation.value)) return
        throw new Inapplicable('there is another value')
      case 'copy':
        this.#add(path, this.#shared(required(this.document, parsePointer(operation.from))))
        return
      case 'move': {
        const from = parsePointer(operation.from)
        const value = required(this.document, from)
        if (operation.path === operation.from) return
        if (operation.path.startsWith(`${operation.from}/`))
          throw new Inapplicable('nothing can be moved into itself')
        this.#remove(from)
        this.#add(path, value)
      }
    }
  }

  #add(path: readonly string[], value: Json): void {
    if (path.length === 0) {
      this.document = value
      return
    }
    const holder = this.#holderOf(path)
    const key = path.at(-1)!
    if (!Array.isArray(holder)) {
      put(holder, key, value)
      return
    }
    const index = indexIn(holder, key, holder.length)
    this.#move(holder.length - index)
    holder.splice(index, 0, value)
  }

  #remove(path: readonly string[]): void {
    required(this.document, path)
    if (path.length === 0) throw new Inapplicable('the whole document cannot be taken away')
    const holder = this.#holderOf(path)
    const key = path.at(-1)!
    if (!Array.isArray(holder)) {
      delete holder[key]
      return
    }
    const index = indexIn(holder, key)
    this.#move(holder.length - index)
    holder.splice(index, 1)
  }

  /** The container of what a path leads to, to be changed. */
  #holderOf(path: readonly string[]): Own {
    let holder = this.#owned(this.document, path[0]!)
    this.document = holder
    for (let at = 1; at < path.length; at++) {
      const key = path[at - 1]!
      const inner = this.#owned(required(holder, [key]), path[at]!)
      put(holder, key, inner)
      holder = inner
    }
    return holder
  }

  #owned(value: Json, key: string): Own {
    if (!isContainer(value)) throw new Inapplicable(`there is nothing that could hold ${JSON.stringify(key)}`)
    if (this.#own.has(value)) return value as Own
    const copy: Own = isList(value) ? [...value] : { ...value }
    this.#own.add(copy)
    return copy
  }

  /** A value that is in two places from now on: whoever changes it in one copies it again. */
  #shared(value: Json): Json {
    this.#copies_left -= countValues(value, this.#copies_left)
    if (this.#copies_left <= 0) throw new Inapplicable('the patch copies more than a change can hold')
    this.#disown(value)
    return value
  }

  /** What holds a container of its own is its own, too. */
  #disown(value: Json): void {
    if (!this.#own.delete(value)) return
    for (const item of Object.values(value as Container)) this.#disown(item)
  }

  #move(items: number): void {
    this.#moves_left -= items
    if (this.#moves_left < 0)
      throw new Inapplicable(
        'the patch moves more items of lists than one may: put what comes new at the end',
      )
  }
}

/** Puts a value into the place of another, or under a key that is new to an object. */
function put(holder: Own, key: string, value: Json): void {
  if (Array.isArray(holder)) holder[indexIn(holder, key)] = value
  // To assign it would be something else.
  else if (key === '__proto__') Object.defineProperty(holder, key, { ...PLAIN, value })
  else holder[key] = value
}

const PLAIN = { configurable: true, enumerable: true, writable: true }

function required(document: Json, path: readonly string[]): Json {
  let value = document
  for (const key of path) {
    const inside: Json | undefined = isContainer(value) ? itemOf(value, key) : undefined
    if (inside === undefined) throw new Inapplicable(`there is no ${JSON.stringify(key)}`)
    value = inside
  }
  return value
}

function itemOf(parent: Container, key: string): Json | undefined {
  if (isList(parent)) return INDEX.test(key) ? parent[Number(key)] : undefined
  return Object.hasOwn(parent, key) ? parent[key] : undefined
}

const INDEX = /^(?:0|[1-9]\d{0,9})$/

/** @param end the index that `-` stands for, where there may be one */
function indexIn(list: readonly Json[], key: string, end?: number): number {
  if (key === '-' && end !== undefined) return end
  const index = INDEX.test(key) ? Number(key) : Number.NaN
  if (index < list.length || index === end) return index
  throw new Inapplicable(`a list of ${list.length} has no item ${JSON.stringify(key)}`)
}

function countValues(value: Json, most: number): number {
  if (!isContainer(value)) return 1
  let count = 1
  for (const item of Object.values(value)) {
    if (count >= most) break
    count += countValues(item, most - count)
  }
  return count
}

function isContainer(value: Json): value is Container {
  return typeof value === 'object' && value !== null
}

function isList(value: Container): value is readonly Json[] {
  return Array.isArray(value)
}

function refused(index: number, { op, path }: Operation, reason: string): WeftError {
  return new WeftError(
    'WEFT_PATCH_REFUSED',
    `operation ${index} of the patch, ${op} ${JSON.stringify(path.slice(0, 80))}, does not apply: ${reason}`,
    'read the state again, and make the patch of what it is now; nothing was written',
    { operation: index, op, path },
  )
}
