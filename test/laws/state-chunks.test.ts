import { decodeChange, getBackend, init } from '@automerge/automerge'
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
/** More items than are written without a document. */
const KEPT = 280
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
    { weight: 2, arbitrary: fc.array(tie('value'), { maxLength: 4 }) },
    { weight: 2, arbitrary: tie('items') },
  ),
}))
const who = fc.nat(WRITERS - 1)
const LIST_EDITS = {
  append: (items: Json[], _: number, value: Json) => items.push(value),
  insert: (items: Json[], at: number, value: Json) => items.splice(at, 0, value),
  replace: (items: Json[], at: number, value: Json) => items.splice(at, 1, value),
  remove: (items: Json[], at: number) => items.splice(at, 1),
  removeTwo: (items: Json[], at: number) => items.splice(at, 2),
  moveToFront: (items: Json[], at: number) => items.unshift(...items.splice(at, 1)),
} as const
const listEdits = fc.constantFrom(...(Object.keys(LIST_EDITS) as (keyof typeof LIST_EDITS)[]))
/** Of a map, or a list, in the state; often the first, so that several write to one. */
const places = fc.oneof(fc.constant(0), fc.nat())
const steps = fc.oneof(
  { weight: 2, arbitrary: fc.record({ who, state: maps }) },
  { weight: 4, arbitrary: fc.record({ who, in: places, key: keys, value: scalars }) },
  {
    weight: 4,
    arbitrary: fc.record({
      who,
      in: places,
      edit: listEdits,
      at: fc.nat(),
      value: fc.oneof(scalars, maps),
    }),
  },
  { weight: 2, arbitrary: fc.record({ who, from: who }) },
)
type Step = typeof steps extends fc.Arbitrary<infer T> ? Exclude<T, { from: number }> : never

/** The state, with one key of one of its maps set, or one of its lists edited. */
function edited(state: JsonObject, step: Step): JsonObject {
  if ('state' in step) return step.state
  const next = structuredClone(state)
  const all: Json[] = []
  const walk = (each: Json): void => {
    if (!isContainer(each)) return
    if (isList(each) === 'edit' in step) all.push(each)
    for (const item of Object.values(each)) walk(item as Json)
  }
  walk(next)
  const target = all[step.in % all.length]
  if ('key' in step) Object.assign(target as object, { [step.key]: step.value })
  else if (target) LIST_EDITS[step.edit](target as Json[], step.at % (target as Json[]).length, step.value)
  else return { ...next, list: [step.value] }
  return next
}

/** Has a document do what the ops of a change say, by keys and indexes, as somebody would who is to write it. */
function redo(document: Document, state: Uint8Array): void {
  for (const op of decodeChange(state).ops as unknown as DecodedOp[]) {
    const object = op.obj === '_root' ? '/' : op.obj
    const at = op.elemId === undefined ? op.key! : document.keys(object).indexOf(op.elemId)
    if (op.elemId !== undefined && op.elemId !== '_head') expect(at).toBeGreaterThanOrEqual(0)
    if (op.action === 'del') document.delete(object, at)
    else if (op.action === 'set' && op.insert)
      document.insert(object, (at as number) + 1, op.value, typeOf(op.value))
    else if (op.action === 'set') document.put(object, at, op.value, typeOf(op.value))
    else if (op.insert) document.insertObject(object, (at as number) + 1, madeBy(op))
    else document.putObject(object, at, madeBy(op))
  }
}

interface DecodedOp {
  readonly action: 'set' | 'del' | 'makeMap' | 'makeList'
  readonly obj: string
  readonly key?: string
  readonly elemId?: string
  readonly insert?: boolean
  readonly value: null | boolean | number | string
}

function madeBy({ action }: DecodedOp): [] | Record<string, never> {
  return action === 'makeList' ? [] : {}
}

function isContainer(value: Json): value is readonly Json[] | JsonObject {
  return typeof value === 'object' && value !== null
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function typeOf(value: Json): 'null' | 'boolean' | 'int' | 'f64' | 'str' {
  if (value === null) return 'null'
  if (typeof value === 'number') return Number.isSafeInteger(value) && !Object.is(value, -0) ? 'int' : 'f64'
  return typeof value === 'string' ? 'str' : 'boolean'
}

/** What Automerge makes of the ops of a change, when it has all that the change's author had. */
function madeByAutomerge(before: readonly Uint8Array[], actor: string, state: Uint8Array) {
  const document = getBackend(init({ actor }))
  try {
    document.applyChanges([...before])
    redo(document, state)
    document.commit(null, 0)
    return document.getLastLocalChange()
  } finally {
    document.free()
  }
}

function statesOf(set: ChangeSet): Uint8Array[] {
  return set.changes().flatMap(({ state }) => (state === null ? [] : [state]))
}

test('[CHG-4] a state change is what Automerge would make of it, byte for byte', () => {
  let compared = 0
  let conflicts = 0
  let inItems = 0
  let ofLists = 0
  holds(
    fc.array(steps, { minLength: 10, maxLength: 30, size: 'max' }),
    plan => {
      const writers = Array.from({ length: WRITERS }, (_, index) => {
        return new BranchWriter(new ChangeSet(sha256), seededHost(index + 1), 'main', `agent-${index}`)
      })
      /** Who has written since others did: the first change after those is Automerge's own. */
      const alone = new Set<BranchWriter>()
      for (const step of plan) {
        const writer = writers[step.who]!
        if ('from' in step) {
          alone.delete(writer)
          for (const change of writers[step.from]!.set.changes()) writer.set.add(change)
          continue
        }
        const { set, actor } = writer
        const base = writer.state.read()
        const state = edited(base, step)
        const before = statesOf(set)
        const change = writer.write({ state })
        expect(change === undefined).toBe(jsonEquals(base, state))
        if (change?.state == null) continue
        expect(canonicalJson(stateOf(set))).toBe(canonicalJson(state))
        expect(change.state).toEqual(madeByAutomerge(before, actor, change.state))
        const isOurs = alone.has(writer)
        alone.add(writer)
        if (!isOurs) continue
        compared++
        if (change.header.writes.some(ref => /\/\d+\//.test(ref))) inItems++
        if ('edit' in step) ofLists++
        if (decodeChange(change.state).ops.some(({ pred }) => pred.length > 1)) conflicts++
      }
      for (const writer of writers) writer.state.free()
    },
    100,
  )
  comesUp(compared, 700)
  comesUp(conflicts, 8)
  comesUp(inItems, 100)
  comesUp(ofLists, 280)
})

test('[CHG-4] however much its author has written before, and whoever writes in between', () => {
  const [ada, bob] = [1, 2].map(seed => {
    return new BranchWriter(new ChangeSet(sha256), seededHost(seed), 'main', `agent-${seed}`)
  }) as [BranchWriter, BranchWriter]
  const authored: [JsonObject, string][] = []
  for (let round = 0; round < 700; round++) {
    const { log = [], ...rest } = ada.state.read()
    const state = {
      ...rest,
      round,
      steps: { [`step-${round % 7}`]: { round } },
      log: [...(log as Json[]).slice(-(KEPT - 1)), { id: round }],
    }
    authored.push([state, ada.write({ state })!.id])
    if (round % 300 !== 299) continue
    for (const change of ada.set.changes()) bob.set.add(change)
    ada.set.add(bob.write({ state: { ...bob.state.read(), bob: round } })!)
  }
  const log = Array.from({ length: KEPT }, (_, at) => ({ id: 700 - KEPT + at }))
  expect(ada.state.read()).toEqual({ round: 699, bob: 599, steps: { 'step-6': { round: 699 } }, log })
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

test('what an edit leaves as it is stays the same object in the next state', () => {
  const writer = new BranchWriter(new ChangeSet(sha256), seededHost(1), 'main', 'agent')
  const steps = [{ id: 1 }, { id: 2 }]
  writer.write({ state: { plan: { steps, notes: { a: 1 } }, other: [1] } })
  const before = writer.state.read() as { plan: { steps: JsonObject[]; notes: JsonObject }; other: Json }
  const next = structuredClone(before)
  next.plan.steps.push({ id: 3 })
  writer.write({ state: next })
  const after = writer.state.read() as typeof before
  expect(after).toEqual(next)
  expect(after.other).toBe(before.other)
  expect(after.plan.notes).toBe(before.plan.notes)
  expect(after.plan.steps[1]).toBe(before.plan.steps[1])
})
