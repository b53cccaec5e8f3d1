import type { AutomergeDocument } from './state-diff.js'

/** What stands at a key of a map, or is an item of a list: the op that put it there, and what that made, if anything. */
export interface Put {
  readonly op: string
  readonly makes: 'map' | 'list' | undefined
}

interface Item {
  /** The op that inserted it, by which it goes whatever is put in its place. */
  readonly id: string
  /** Where it is in the document's list, which tells what stands there; undefined where `put` does. */
  readonly at?: number
  readonly put?: Put
}

/** Thrown where a list is too long for all of its items to be asked for. */
export const LONG_LIST = Symbol('long list')

/** A document takes some time for each, and is asked again whenever others have written. */
const ITEMS_MAX = 256

/**
 * What stands where after what was written last, which a document has not been told; of all else that says. Objects are named
 * as Automerge names them, `counter@actor`.
 */
export class Standing {
  /** By map, what was put at keys; undefined where one was taken away. */
  readonly #keys = new Map<string, Map<string, Put | undefined>>()
  /** By list, all of its items: one that is put in or taken out moves others. */
  readonly #lists = new Map<string, Item[]>()
  readonly #made = new Set<string>()
  /** By object, what the document says of keys, and of the indexes that items have in it. */
  readonly #said = new Map<string, Map<string | number, readonly Put[]>>()

  /** @param document what was told to it; undefined where that is nothing */
  constructor(private readonly document: () => AutomergeDocument | undefined) {}

  /** To be called when the document has been told, or is another one. */
  clear(): void {
    this.#keys.clear()
    this.#lists.clear()
    this.#made.clear()
    this.#said.clear()
  }

  /** The puts that contest a place, ascending: the last one is shown. */
  at(object: string, key: string | number): readonly Put[] {
    return typeof key === 'string' ? this.#atKey(object, key) : this.#atIndex(object, key)
  }

  #atKey(map: string, key: string): readonly Put[] {
    const keys = this.#keys.get(map)
    if (keys?.has(key)) return some(keys.get(key))
    return this.#made.has(map) ? NOTHING : this.#told(map, key)
  }

  #atIndex(list: string, index: number): readonly Put[] {
    const items = this.#lists.get(list)
    if (items === undefined) return this.#told(list, index)
    const { at, put } = items[index]!
    return at === undefined ? some(put) : this.#told(list, at)
  }

  #told(object: string, key: string | number): readonly Put[] {
    const said = ownMap(this.#said, object)
    const known = said.get(key) ?? putsOf(this.document()?.getAll(object, key))
    said.set(key, known)
    return known
  }

  /** The id of an item that is there. */
  itemAt(list: string, index: number): string {
    return this.#itemsOf(list)[index]!.id
  }

  put(object: string, key: string | number, put: Put): void {
    this.#make(put)
    if (typeof key === 'string') ownMap(this.#keys, object).set(key, put)
    else this.#itemsOf(object)[key] = { id: this.itemAt(object, key), put }
  }

  insert(list: string, index: number, put: Put): void {
    this.#make(put)
    this.#itemsOf(list).splice(index, 0, { id: put.op, put })
  }

  delete(object: string, key: string | number): void {
    if (typeof key === 'string') ownMap(this.#keys, object).set(key, undefined)
    else this.#itemsOf(object).splice(key, 1)
  }

  #make({ op, makes }: Put): void {
    if (makes === 'map') this.#made.add(op)
    if (makes === 'list') this.#lists.set(op, [])
  }

  #itemsOf(list: string): Item[] {
    const known = this.#lists.get(list)
    if (known) return known
    const document = this.document()
    if (document && document.length(list) > ITEMS_MAX) throw LONG_LIST
    // Of a list Automerge gives the ids of its items for keys.
    const items = (document?.keys(list) ?? NOTHING).map((id, at): Item => ({ id, at }))
    this.#lists.set(list, items)
    return items
  }
}

const NOTHING: readonly never[] = []

function some(put: Put | undefined): readonly Put[] {
  return put ? [put] : NOTHING
}

function putsOf(values: ReturnType<AutomergeDocument['getAll']> = []): readonly Put[] {
  return values.map(value => {
    const [type] = value
    return { op: String(value.at(-1)), makes: type === 'map' || type === 'list' ? type : undefined }
  })
}

function ownMap<K, V>(maps: Map<string, Map<K, V>>, object: string): Map<K, V> {
  const known = maps.get(object) ?? new Map<K, V>()
  maps.set(object, known)
  return known
}
