import { getBackend, init } from '@automerge/automerge'
import { BranchWriter, canonicalJson, ChangeSet, type Json, type JsonObject, jsonEquals } from '@weft/core'
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
const { map: maps } = fc.letrec<{ map: JsonObject; value: Json }>(tie => ({
  map: fc.dictionary(keys, tie('value'), { maxKeys: 6, noNullPrototype: true }),
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    { weight: 6, arbitrary: scalars },
    { weight: 3, arbitrary: tie('map') },
    { weight: 1, arbitrary: fc.array(scalars, { maxLength: 3 }) },
  ),
}))
const steps = fc.oneof(
  { weight: 3, arbitrary: fc.record({ who: fc.nat(WRITERS - 1), state: maps }) },
  { weight: 2, arbitrary: fc.record({ who: fc.nat(WRITERS - 1), from: fc.nat(WRITERS - 1) }) },
)

/** Writes a difference as few operations on maps; false where it goes on in a list. */
function differ(document: Document, object: string, base: JsonObject, next: JsonObject): boolean {
  for (const key of Object.keys(base)) if (!Object.hasOwn(next, key)) document.delete(object, key)
  return Object.keys(next).every(key => {
    const before = Object.hasOwn(base, key) ? base[key]! : undefined
    const after = next[key]!
    if (before !== undefined && jsonEquals(before, after)) return true
    if (Array.isArray(before) && Array.isArray(after)) return false
    if (before !== undefined && isMap(before) && isMap(after))
      return differ(document, document.get(object, key) as string, before, after)
    put(document, object, key, after)
    return true
  })
}

function isMap(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function put(document: Document, object: string, key: string, value: Json): void {
  if (isMap(value)) {
    const made = document.putObject(object, key, {})
    for (const [inner, item] of Object.entries(value)) put(document, made, inner, item)
  } else if (Array.isArray(value)) {
    const made = document.putObject(object, key, [])
    for (const [at, item] of value.entries()) document.insert(made, at, item, typeOf(item))
  } else document.put(object, key, value as string, typeOf(value))
}

function typeOf(value: Json): 'null' | 'boolean' | 'int' | 'f64' | 'str' {
  if (value === null) return 'null'
  if (typeof value === 'number') return Number.isSafeInteger(value) && !Object.is(value, -0) ? 'int' : 'f64'
  return typeof value === 'string' ? 'str' : 'boolean'
}

/** What Automerge makes of a difference, when it has all that its author had; undefined where that goes on in a list. */
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
        const expected = madeByAutomerge(set, actor, base, step.state)
        const change = writer.write({ state: step.state })
        expect(change === undefined).toBe(jsonEquals(base, step.state))
        if (change?.state == null) continue
        expect(canonicalJson(stateOf(set))).toBe(canonicalJson(step.state))
        if (expected === undefined) continue
        expect(change.state).toEqual(expected)
        compared++
        if (heads > 1) conflicts++
      }
      for (const writer of writers) writer.state.free()
    },
    250,
  )
  comesUp(compared, 1_000)
  comesUp(conflicts, 50)
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
