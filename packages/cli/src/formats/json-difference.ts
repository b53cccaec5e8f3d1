import { type Json, jsonEquals } from '@weft/core'

/** One pointer at which two JSON values differ; a side that has nothing there is undefined. */
export interface JsonDifference {
  readonly pointer: string
  readonly a: Json | undefined
  readonly b: Json | undefined
}

/** The deepest pointers at which two values differ, by pointer. Lists are compared item by item. */
export function jsonDifference(a: Json | undefined, b: Json | undefined, pointer = ''): JsonDifference[] {
  if (jsonEquals(a, b)) return []
  if (!isContainer(a) || !isContainer(b) || Array.isArray(a) !== Array.isArray(b)) return [{ pointer, a, b }]
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys]
    .sort((x, y) => (Array.isArray(a) ? Number(x) - Number(y) : x < y ? -1 : 1))
    .flatMap(key => jsonDifference(at(a, key), at(b, key), `${pointer}/${escapeKey(key)}`))
}

type Container = { readonly [key: string]: Json }

function isContainer(value: Json | undefined): value is Container {
  return typeof value === 'object' && value !== null
}

function at(container: Container, key: string): Json | undefined {
  return Object.hasOwn(container, key) ? container[key] : undefined
}

/** RFC 6901. */
function escapeKey(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}
