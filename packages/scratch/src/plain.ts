import { AbstractType, type Doc } from 'yjs'

/** A text, map or array of a Yjs document. */
interface SharedType {
  readonly doc: Doc | null
  toJSON(): unknown
}

/** A value in which scratch content may stand wherever the content itself may: a text for a string, and so on. */
export type Promotable<T> =
  | T
  | SharedType
  | (T extends readonly (infer Item)[]
      ? readonly Promotable<Item>[]
      : T extends object
        ? { readonly [Key in keyof T]: Promotable<T[Key]> }
        : never)

/** The value with all scratch content in it as it stands now: texts as strings, maps and arrays as JSON. */
export function plain(value: unknown): unknown {
  if (value instanceof AbstractType) return (value as SharedType).toJSON()
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype)
    return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
}
