import { childPointer, isContainer, isJsonArray, type Json, type JsonObject, jsonEquals } from './json.js'

/** One thing to do to a list; `at` is an index of the list as it was, and an insertion comes before what stands there. */
export type ListStep =
  | { readonly do: 'edit'; readonly at: number; readonly to: Json }
  | { readonly do: 'remove'; readonly at: number }
  | { readonly do: 'insert'; readonly at: number; readonly to: Json }

/** An item of the one list and the item of the other that it is, by their indexes. */
type Pair = readonly [number, number]

/** So many comparisons at most are made to find which items stayed; beyond, they are taken to stand where they stood. */
const COMPARISONS_MAX = 16_384
/** What items are told apart by where all of them have it, each another one. */
const IDS = ['id', 'key']

/**
 * What makes one list of another, from the front on. An item that was edited stays the item that it is, although others were
 * put in or taken out before it: else what somebody else writes into it beside this would end up in another one. Items that
 * have ids are the same by these, all others where they are equal or, between such, in the order in which they stand.
 */
export function listSteps(base: readonly Json[], next: readonly Json[]): ListStep[] {
  const shorter = Math.min(base.length, next.length)
  let head = 0
  while (head < shorter && jsonEquals(base[head], next[head])) head++
  let tail = 0
  while (tail < shorter - head && jsonEquals(base[base.length - 1 - tail], next[next.length - 1 - tail]))
    tail++
  const before = base.slice(head, base.length - tail)
  const after = next.slice(head, next.length - tail)
  const byId = pairsById(before, after)
  const steps: ListStep[] = []
  let [at, to] = [0, 0]
  for (const [i, j] of [...(byId ?? equalPairs(before, after)), [before.length, after.length] as const]) {
    // What has another id is another item.
    if (!byId) while (at < i && to < j) steps.push({ do: 'edit', at: head + at++, to: after[to++]! })
    while (at < i) steps.push({ do: 'remove', at: head + at++ })
    while (to < j) steps.push({ do: 'insert', at: head + at, to: after[to++]! })
    if (i < before.length && !jsonEquals(before[i], after[j]))
      steps.push({ do: 'edit', at: head + i, to: after[j]! })
    at = i + 1
    to = j + 1
  }
  return steps
}

/**
 * As `listSteps`, of whoever says which item it is about: of equal ones that stand together any may seem to be the one that
 * was taken out.
 */
export function listStepsAt(
  base: readonly Json[],
  next: readonly Json[],
  named: readonly number[],
): ListStep[] {
  const gone = named.find(at => {
    return (
      next.length === base.length - 1 &&
      at < base.length &&
      jsonEquals([...base.slice(0, at), ...base.slice(at + 1)], next)
    )
  })
  return gone === undefined ? listSteps(base, next) : [{ do: 'remove', at: gone }]
}

/**
 * From where on a list had nothing that stays: there its end was taken off, or added to.
 * @param length of the list as it was
 */
export function endOf(steps: readonly ListStep[], length: number): number {
  const removed = new Set(steps.flatMap(step => (step.do === 'remove' ? [step.at] : [])))
  let end = length
  while (removed.has(end - 1)) end--
  return end
}

/** A list, and from which index on other items stand in it than did in another one, or items where there were none. */
export interface MovedFrom {
  readonly list: string
  readonly from: number
}

/** The outermost lists of a value with items that stood elsewhere in another one, each from its first on; and those with new ones at their ends. */
export function movedLists(base: Json, next: Json, pointer = ''): MovedFrom[] {
  if (jsonEquals(base, next) || !isContainer(base) || !isContainer(next)) return []
  if (isJsonArray(base) || isJsonArray(next)) {
    if (!isJsonArray(base) || !isJsonArray(next)) return []
    const steps = listSteps(base, next)
    const end = endOf(steps, base.length)
    if (steps.some(step => step.do !== 'edit' && step.at < end)) return [{ list: pointer, from: 0 }]
    const added = steps.some(step => step.do === 'insert') ? [{ list: pointer, from: end }] : []
    const within = steps.flatMap(step =>
      step.do === 'edit' ? movedLists(base[step.at]!, step.to, childPointer(pointer, step.at)) : [],
    )
    return [...added, ...within]
  }
  return Object.keys(base).flatMap(key => {
    const [before, after] = [(base as JsonObject)[key]!, (next as JsonObject)[key]]
    return after === undefined ? [] : movedLists(before, after, childPointer(pointer, key))
  })
}

/** As many items as can stay in their order, by their ids; undefined where these do not tell all of them apart. */
function pairsById(base: readonly Json[], next: readonly Json[]): Pair[] | undefined {
  for (const name of IDS) {
    const before = idsOf(base, name)
    const after = before && idsOf(next, name)
    if (!before || !after) continue
    const places = [...before.keys()].map(id => after.get(id) ?? -1)
    return longestRise(places).map(i => [i, places[i]!] as const)
  }
  return undefined
}

/** The index of each item by its id; undefined unless each has one of its own. */
function idsOf(items: readonly Json[], name: string): ReadonlyMap<Json, number> | undefined {
  const ids = new Map<Json, number>()
  for (const [index, item] of items.entries()) {
    const isObject = typeof item === 'object' && item !== null && !isJsonArray(item)
    const id = isObject && Object.hasOwn(item, name) ? (item as JsonObject)[name] : undefined
    if ((typeof id !== 'string' && typeof id !== 'number') || ids.has(id)) return undefined
    ids.set(id, index)
  }
  return ids
}

/** Where the longest rising sequence of places lies, those below 0 left out. */
function longestRise(places: readonly number[]): number[] {
  /** By length, the end of the sequence of that length which ends lowest. */
  const ends: number[] = []
  const previous: number[] = []
  places.forEach((place, i) => {
    if (place < 0) return
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (places[ends[middle]!]! < place) low = middle + 1
      else high = middle
    }
    previous[i] = low === 0 ? -1 : ends[low - 1]!
    ends[low] = i
  })
  const rise: number[] = []
  for (let i = ends.at(-1) ?? -1; i >= 0; i = previous[i]!) rise.push(i)
  return rise.reverse()
}

/** As many equal items as can stay in their order. */
function equalPairs(base: readonly Json[], next: readonly Json[]): Pair[] {
  if (base.length * next.length > COMPARISONS_MAX) return []
  const width = next.length + 1
  const isEqual = (i: number, j: number): boolean => jsonEquals(base[i], next[j])
  /** How many pairs there are from `i` and `j` on. */
  const counts = new Uint16Array((base.length + 1) * width)
  for (let i = base.length - 1; i >= 0; i--) {
    for (let j = next.length - 1; j >= 0; j--) {
      const [down, right] = [counts[(i + 1) * width + j]!, counts[i * width + j + 1]!]
      counts[i * width + j] = isEqual(i, j) ? counts[(i + 1) * width + j + 1]! + 1 : Math.max(down, right)
    }
  }
  const pairs: Pair[] = []
  for (let i = 0, j = 0; i < base.length && j < next.length; ) {
    if (isEqual(i, j)) pairs.push([i++, j++])
    else if (counts[(i + 1) * width + j]! >= counts[i * width + j + 1]!) i++
    else j++
  }
  return pairs
}
