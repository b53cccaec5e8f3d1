import { canonicalJson, HASH_BYTES, type Json } from '@weft/core'

/** One field of a message: what it is on the wire, in a form that can be hashed, and the check of a decoded value. */
export interface Field<T> {
  readonly shape: Json
  readonly check: (value: unknown) => value is T
}

export type FieldType<F> = F extends Field<infer T> ? T : never

export const uint: Field<number> = {
  shape: 'uint',
  check: (value): value is number => Number.isSafeInteger(value) && (value as number) >= 0,
}

export const bool: Field<boolean> = {
  shape: 'bool',
  check: (value): value is boolean => typeof value === 'boolean',
}

export function text(chars_max: number): Field<string> {
  return {
    shape: ['text', chars_max],
    check: (value): value is string => typeof value === 'string' && value.length <= chars_max,
  }
}

export function bytes(length_max: number): Field<Uint8Array> {
  return {
    shape: ['bytes', length_max],
    check: (value): value is Uint8Array => value instanceof Uint8Array && value.length <= length_max,
  }
}

/** SHA-256 hashes end to end. */
export function hashes(count_max: number): Field<Uint8Array> {
  const { check } = bytes(count_max * HASH_BYTES)
  return {
    shape: ['hashes', count_max],
    check: (value): value is Uint8Array => check(value) && value.length % HASH_BYTES === 0,
  }
}

export function list<T>(item: Field<T>, length_max: number): Field<readonly T[]> {
  return {
    shape: ['list', item.shape, length_max],
    check: (value): value is readonly T[] =>
      Array.isArray(value) && value.length <= length_max && value.every(item.check),
  }
}

export function orNull<T>(field: Field<T>): Field<T | null> {
  return {
    shape: ['or-null', field.shape],
    check: (value): value is T | null => value === null || field.check(value),
  }
}

/** One text for one set of shapes; a change of the wire changes it. */
export function describeShapes(messages: Readonly<Record<string, { type: number; fields: object }>>): string {
  const shapes = Object.entries(messages).map(([name, { type, fields }]) => [
    type,
    name,
    Object.entries(fields).map(([field, { shape }]: [string, Field<unknown>]) => [field, shape]),
  ])
  return canonicalJson(shapes as Json)
}
