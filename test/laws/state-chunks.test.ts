import { getBackend, init } from '@automerge/automerge'
import {
  BranchWriter,
  canonicalJson,
  ChangeSet,
  type Json,
  type JsonObject,
  jsonEquals,
  StateDoc,
} from '@weft/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stateOf } from '../support/core-history.ts'
import { comesUp, holds, seededHost, sha256 } from '../support/core-property.ts'
import '../support/equal-bytes.ts'

type Document = ReturnType<typeof getBackend>

const WRITERS = 3
const keys = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'b', 'c', 'd') },
  fc.constantFrom('', '0', '/', 'a/b', 'é', 'constructor'),
)
const scalars = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    false,
    0,
    -0,
    63,
    64,
    -64,
    -65,
    2 ** 31,
    2 ** 53 - 1,
    1 - 2 ** 53,
    2 ** 53,
  ),
  fc.constantFrom<Json>('', 'x', 'é', '🙂', 'long '.repeat(40)),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const { map: maps } = fc.letrec<{ map: JsonObject; value: Json; items: Json }>(tie => ({
  items: fc
    .array(tie('map'), { maxLength: 3 })
    .map(items => items.map((item, id) => ({ ...(item as JsonObject), id }))),
  map: fc.dictionary(keys, tie('value'), { maxKeys: 6, noNullPrototype: true }),
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    { weight: 6, arbitrary: scalars },
    { weight: 3, arbitrary: tie('map') },
    { weight: 1, arbitrary: fc.array(scalars, { maxLength: 3 }) },
    { weight: 2, arbitrary: tie('items') },
  ),
}))
const who = fc.nat(WRITERS - 1)
const steps = fc.oneof(
  { weight: 1, arbitrary: fc.record({ who, state: maps }) },
  { weight: 2, arbitrary: fc.record({ who, in: fc.nat(), key: keys, value: scalars }) },
  { weight: 2, arbitrary: fc.record({ who, from: who }) },
)

/** The state, with one key of one of its maps set. */
function edited(state: JsonObject, at: number, key: string, value: Json): JsonObject {
  const next = structuredClone(state)
  const all: JsonObject[] = []
  const walk = (each: Json): void => {
    if (isMap(each)) all.push(each)
    if (isContainer(each)) for (const item of Object.values(each)) walk(item as Json)
  }
  walk(next)
  Object.assign(all[at % all.length]!, { [key]: value })
  return next
}

/** Writes a difference as few operations on maps; false where a list gets other items. */
function differ(document: Document, object: string, base: JsonObject, next: JsonObject): boolean {
  for (const key of Object.keys(base)) if (!Object.hasOwn(next, key)) document.delete(object, key)
  return Object.keys(next).every(key => {
    const before = Object.hasOwn(base, key) ? base[key]! : undefined
    const after = next[key]!
    if (before !== undefined && jsonEquals(before, after)) return true
    if (Array.isArray(before) && Array.isArray(after))
      return differItems(document, document.get(object, key) as string, before, after)
    if (before !== undefined && isMap(before) && isMap(after))
      return differ(document, document.get(object, key) as string, before, after)
    put(document, object, key, after)
    return true
  })
}

/** Of items that are the same by their ids, and nothing but these. */
function differItems(
  document: Document,
  object: string,
  base: readonly Json[],
  next: readonly Json[],
): boolean {
  const ids = (items: readonly Json[]): Json[] => items.map(item => (isMap(item) ? (item.id ?? null) : null))
  const [before, after] = [ids(base), ids(next)]
  if (before.includes(null) || new Set(before).size < before.length || !jsonEquals(before, after))
    return false
  return base.every((item, at) => {
    const inner = document.get(object, at) as string
    return jsonEquals(item, next[at]) || differ(document, inner, item as JsonObject, next[at] as JsonObject)
  })
}

function isMap(value: Json): value is JsonObject {
  return isContainer(value) && !isList(value)
}

function put(document: Document, object: string, key: string, value: Json): void {
  if (isContainer(value)) fill(document, document.putObject(object, key, emptied(value)), value)
  else document.put(object, key, value, typeOf(value))
}

function fill(document: Document, made: string, value: readonly Json[] | JsonObject): void {
  if (!isList(value)) {
    for (const [key, item] of Object.entries(value)) put(document, made, key, item)
    return
  }
  for (const [at, item] of value.entries()) {
    if (isContainer(item)) fill(document, document.insertObject(made, at, emptied(item)), item)
    else document.insert(made, at, item, typeOf(item))
  }
}

function isContainer(value: Json): value is readonly Json[] | JsonObject {
  return typeof value === 'object' && value !== null
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function emptied(value: readonly Json[] | JsonObject): [] | Record<string, never> {
  return isList(value) ? [] : {}
}

function typeOf(value: Json): 'null' | 'boolean' | 'int' | 'f64' | 'str' {
  if (value === null) return 'null'
  if (typeof value === 'number') return Number.isSafeInteger(value) && !Object.is(value, -0) ? 'int' : 'f64'
  return typeof value === 'string' ? 'str' : 'boolean'
}

/** What Automerge makes of a difference, when it has all that its author had; undefined where a list gets other items. */
function madeByAutomerge(set: ChangeSet, actor: string, base: JsonObject, next: JsonObject) {
  const document = getBackend(init({ actor }))
  try {
    document.applyChanges(set.changes().flatMap(({ state }) => (state === null ? [] : [state])))
    if (!differ(document, '/', base, next)) return undefined
    document.commit(null, 0)
    return document.getLastLocalChange()
  } finally {
    document.free()
  }
}

test('[CHG-4] a state change is what Automerge would make of it, byte for byte', () => {
  let compared = 0
  let conflicts = 0
  let inLists = 0
  holds(
    fc.array(steps, { minLength: 1, maxLength: 25, size: 'max' }),
    plan => {
      const writers = Array.from({ length: WRITERS }, (_, index) => {
        return new BranchWriter(new ChangeSet(sha256), seededHost(index + 1), 'main', `agent-${index}`)
      })
      for (const step of plan) {
        const writer = writers[step.who]!
        if ('from' in step) {
          for (const change of writers[step.from]!.set.changes()) writer.set.add(change)
          continue
        }
        const { set, actor } = writer
        const base = writer.state.read()
        const heads = set.branches.heads('main').length
        const state = 'state' in step ? step.state : edited(base, step.in, step.key, step.value)
        const expected = madeByAutomerge(set, actor, base, state)
        const change = writer.write({ state })
        expect(change === undefined).toBe(jsonEquals(base, state))
        if (change?.state == null) continue
        expect(canonicalJson(stateOf(set))).toBe(canonicalJson(state))
        if (expected === undefined) continue
        expect(change.state).toEqual(expected)
        compared++
        if (change.header.writes.some(ref => /\/\d+\//.test(ref))) inLists++
        if (heads > 1) conflicts++
      }
      for (const writer of writers) writer.state.free()
    },
    150,
  )
  comesUp(compared, 1_000)
  comesUp(conflicts, 50)
  comesUp(inLists, 50)
})

test('[CHG-4] however much its author has written before, and whoever writes in between', () => {
  const [ada, bob] = [1, 2].map(seed => {
    return new BranchWriter(new ChangeSet(sha256), seededHost(seed), 'main', `agent-${seed}`)
  }) as [BranchWriter, BranchWriter]
  const authored: [JsonObject, string][] = []
  for (let round = 0; round < 700; round++) {
    const state = { ...ada.state.read(), round, steps: { [`step-${round % 7}`]: { round } } }
    authored.push([state, ada.write({ state })!.id])
    if (round % 300 !== 299) continue
    for (const change of ada.set.changes()) bob.set.add(change)
    ada.set.add(bob.write({ state: { ...bob.state.read(), bob: round } })!)
  }
  expect(ada.state.read()).toEqual({ round: 699, bob: 599, steps: { 'step-6': { round: 699 } } })
  expect(canonicalJson(stateOf(ada.set))).toBe(canonicalJson(ada.state.read()))
  for (const [state, id] of authored.filter((_, at) => at % 50 === 0))
    expect(ada.state.at([ada.set.dag.node(id)]).read('')).toEqual(state)
})

test('[CHG-4] whoever derives a change anew, of which a set has another already, writes the same', () => {
  const set = new ChangeSet(sha256)
  const before = new BranchWriter(set, seededHost(1), 'main', 'agent').write({
    state: { a: 1, b: { c: 1 } },
  })!
  const heads = [set.dag.node(before.id)]
  const host = seededHost(2)
  const writer = new BranchWriter(set, host, 'main', 'agent', heads)
  const [first] = [2, 3].map(c => writer.write({ state: { b: { c } } })!)
  const again = new StateDoc(set, set.viewAt(heads), writer.actor)
  expect(again.write({ b: { c: 2 } })!.bytes).toEqual(first!.state)
  again.free()
})
