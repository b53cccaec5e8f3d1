import { type Json, type JsonObject, jsonEquals, LIMITS, parsePointer, WeftError } from '@weft/core'

/** One operation of a JSON Patch (RFC 6902). */
export type Operation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: Json }
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'move' | 'copy'; readonly path: string; readonly from: string }

type Container = readonly Json[] | JsonObject

/** What a patch may copy in all, in values: copies of copies grow beyond all bounds. */
const COPIED_VALUES_MAX = LIMITS.change_bytes_max

/**
 * A document with all operations of a patch applied, or none. Nothing of the old one is changed, and what both have in
 * common is shared. The libraries for this take keys such as `constructor` for something else than keys, and look up
 * what is not there in the prototype.
 * @throws WEFT_PATCH_REFUSED, with the operation that does not apply in `details` · WEFT_POINTER_INVALID
 */
export function applyPatch(document: Json, patch: readonly Operation[]): Json {
  let copies_left = COPIED_VALUES_MAX
  let patched = document
  for (const [index, operation] of patch.entries()) {
    try {
      if (operation.op === 'copy') {
        copies_left -= countValues(required(patched, parsePointer(operation.from)), copies_left)
        if (copies_left <= 0) throw new Inapplicable('the patch copies more than a change can hold')
      }
      patched = apply(patched, operation)
    } catch (thrown) {
      throw thrown instanceof Inapplicable ? refused(index, operation, thrown.message) : thrown
    }
  }
  return patched
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

function apply(document: Json, operation: Operation): Json {
  const path = parsePointer(operation.path)
  switch (operation.op) {
    case 'add':
      return added(document, path, operation.value)
    case 'remove':
      return removed(document, path)
    case 'replace':
      required(document, path)
      return path.length === 0 ? operation.value : edited(document, path, put(operation.value))
    case 'test':
      if (jsonEquals(required(document, path), operation.value)) return document
      throw new Inapplicable('there is another value')
    case 'copy':
      return added(document, path, required(document, parsePointer(operation.from)))
    case 'move': {
      const from = parsePointer(operation.from)
      const value = required(document, from)
      if (operation.path === operation.from) return document
      if (operation.path.startsWith(`${operation.from}/`))
        throw new Inapplicable('nothing can be moved into itself')
      return added(removed(document, from), path, value)
    }
  }
}

function added(document: Json, path: readonly string[], value: Json): Json {
  return path.length === 0 ? value : edited(document, path, insert(value))
}

function removed(document: Json, path: readonly string[]): Json {
  required(document, path)
  if (path.length === 0) throw new Inapplicable('the whole document cannot be taken away')
  return edited(document, path, cut)
}

type Edit = (parent: Container, key: string) => Container

const insert =
  (value: Json): Edit =>
  (parent, key) =>
    isList(parent) ? parent.toSpliced(indexIn(parent, key, parent.length), 0, value) : put(value)(parent, key)

const put =
  (value: Json): Edit =>
  (parent, key) =>
    isList(parent) ? parent.with(indexIn(parent, key), value) : { ...parent, [key]: value }

const cut: Edit = (parent, key) => {
  if (isList(parent)) return parent.toSpliced(indexIn(parent, key), 1)
  const { [key]: _, ...rest } = parent
  return rest
}

/** The document with another container in the place of the one that holds what the path leads to. */
function edited(node: Json, [key = '', ...below]: readonly string[], edit: Edit): Json {
  if (!isContainer(node)) throw new Inapplicable(`there is nothing that could hold ${JSON.stringify(key)}`)
  if (below.length === 0) return edit(node, key)
  return put(edited(required(node, [key]), below, edit))(node, key)
}

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
