import { isImmutableString } from '@automerge/automerge'
import { compareText } from '../base/bytes.js'
import type { Json } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import { itemIdOf, itemIndex, itemKey, keysOf } from '../refs/list-marks.js'
import type { AutomergeDocument } from '../automerge/state-diff.js'
import { keyAsPlace, keyOfPlace } from './places.js'

interface Container {
  readonly id: string
  readonly isList: boolean
}

/** What is found under a key: a container, or a value. */
type Found = { readonly container: Container } | { readonly value: unknown }

/**
 * A document as it was at some heads, or is now: read by pointers, or by places (places.ts), in which items are named by what
 * they are. What is asked of it often is looked up once.
 */
export class StateAt {
  /** By the pointer or the place; undefined where there is none. */
  readonly #containers = new Map<string, Container | undefined>([['', { id: '/', isList: false }]])
  /** By list: the ids of its items in order, and the index of each. */
  readonly #items = new Map<
    string,
    { readonly ids: readonly string[]; readonly at: ReadonlyMap<string, number> }
  >()

  constructor(
    private readonly document: AutomergeDocument,
    private readonly heads?: string[],
  ) {}

  /** What a pointer or a place holds; undefined where there is nothing. */
  read(place: string): Json | undefined {
    if (place === '') return this.#materialized('/')
    const found = this.#find(place)
    if (found === undefined) return undefined
    return 'container' in found ? this.#materialized(found.container.id) : toJson(found.value)
  }

  /** Where a place is: its pointer. An item that is not in its list keeps its mark, and so do those within. */
  pointerOf(place: string): string {
    let above = ''
    let pointer = ''
    for (const key of keysOf(place)) {
      const id = itemIdOf(key)
      const list = id === undefined ? undefined : this.#container(above)
      const index = list?.isList ? this.#itemsOf(list.id).at.get(id!) : undefined
      pointer += `/${index ?? keyOfPlace(key)}`
      above += `/${key}`
    }
    return pointer
  }

  /** The place of a pointer; what it names beyond what there is stays as it is. */
  placeOf(pointer: string): string {
    let place = ''
    for (const key of keysOf(pointer)) place += `/${this.#keyIn(this.#container(place), key)}`
    return place
  }

  #keyIn(container: Container | undefined, key: string): string {
    if (!container?.isList) return container ? keyAsPlace(key) : key
    const index = itemIndex(key)
    if (index === undefined) return key
    const { ids } = this.#itemsOf(container.id)
    // What is written behind the last item is put in there.
    return index === ids.length ? '-' : ids[index] === undefined ? key : itemKey(ids[index])
  }

  #container(place: string): Container | undefined {
    if (this.#containers.has(place)) return this.#containers.get(place)
    const found = this.#find(place)
    const container = found && 'container' in found ? found.container : undefined
    this.#containers.set(place, container)
    return container
  }

  #find(place: string): Found | undefined {
    const end = place.lastIndexOf('/')
    const above = this.#container(place.slice(0, end))
    const prop = above && this.#propIn(above, place.slice(end + 1))
    if (prop === undefined) return undefined
    const found = this.document.getWithType(above!.id, prop, this.heads)
    if (found === null || found === undefined) return undefined
    const [type, value] = found
    if (type !== 'map' && type !== 'list' && type !== 'table') return { value }
    return { container: { id: value as string, isList: type === 'list' } }
  }

  #propIn({ id, isList }: Container, key: string): string | number | undefined {
    const item = itemIdOf(key)
    if (!isList)
      return item === undefined ? keyOfPlace(key).replaceAll('~1', '/').replaceAll('~0', '~') : undefined
    return item === undefined ? itemIndex(key) : this.#itemsOf(id).at.get(item)
  }

  #itemsOf(list: string): { readonly ids: readonly string[]; readonly at: ReadonlyMap<string, number> } {
    const known = this.#items.get(list)
    if (known) return known
    // Of a list Automerge gives the ids of its items for keys.
    const ids = this.document.keys(list, this.heads)
    const items = { ids, at: new Map(ids.map((id, index) => [id, index])) }
    this.#items.set(list, items)
    return items
  }

  #materialized(object: string): Json {
    return toJson(this.document.materialize(object, this.heads))
  }
}

/** Reads as null what lies deeper than anyone may write: only a hostile author nests so, and recursion has an end. */
export function toJson(value: unknown, depth = 0): Json {
  if (isImmutableString(value)) return value.toString()
  if (depth > LIMITS.value_depth_max) return null
  if (Array.isArray(value)) return value.map(item => toJson(item, depth + 1))
  if (value instanceof Date) return value.getTime()
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value as Json
  const properties = Object.entries(value).sort(([a], [b]) => compareText(a, b))
  return Object.fromEntries(properties.map(([key, item]) => [key, toJson(item, depth + 1)]))
}
