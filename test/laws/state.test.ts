import {
  BranchWriter,
  canonicalJson,
  type Change,
  ChangeSet,
  decodeChange,
  digest,
  encodeUtf8,
  fromHex,
  type Json,
  type JsonObject,
  StateDoc,
  toHex,
} from '@weft/core'
import { getBackend, init } from '@automerge/automerge'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Dice } from '../../fuzz/dice.ts'
import { miswiredState } from '../../fuzz/forge.ts'
import { codeOf, forged, forgedEntries, forgedState, framed, frameOf, packed } from '../support/core-forge.ts'
import { deliver, deliveries, histories, replicaOf, stateOf } from '../support/core-history.ts'
import { comesUp, holds, seededDice, seededHost, sha256 } from '../support/core-property.ts'

/** What JSON text can carry: names that JavaScript gives a meaning are names like any other. */
const keys = fc.oneof(
  fc.constantFrom('a', 'b', 'plan', '', '0', '-', 'a/b', 'm~n', 'toString', 'constructor', 'length', 'é'),
  fc.string({ maxLength: 4 }).filter(key => key !== '__proto__'),
)
const scalars = fc.oneof(
  fc.constantFrom(null, true, false, 0, -1, 0.5, 1e21, 2 ** 53, -(2 ** 31), Number.MIN_VALUE, '', '🙂'),
  fc.string({ unit: 'grapheme', maxLength: 5 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const { value: values } = fc.letrec<{ value: Json }>(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalars,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(keys, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}))
const states = fc.dictionary(keys, values, { maxKeys: 5, noNullPrototype: true }) as fc.Arbitrary<JsonObject>

test('[CHG-4] any state that is written is the state that another replica reads', () => {
  holds(fc.array(states, { minLength: 1, maxLength: 5 }), written => {
    const set = new ChangeSet(sha256)
    const writer = new BranchWriter(set, seededHost(1), 'main', 'agent')
    for (const state of written) {
      writer.write({ state })
      expect(canonicalJson(writer.state.read())).toBe(canonicalJson(state))
      expect(canonicalJson(stateOf(replicaOf(set.changes())))).toBe(canonicalJson(state))
    }
    writer.state.free()
  })
})

test('[CHG-4] small steps from one state to another are written as what differs, and nothing else', () => {
  const set = new ChangeSet(sha256)
  const writer = new BranchWriter(set, seededHost(1), 'main', 'agent')
  const pointers = (state: JsonObject) => writer.write({ state })?.header.writes ?? []
  expect(pointers({ a: { b: 1, c: [1, 2, 3] }, d: 'x' })).toEqual(['state:/a', 'state:/d'])
  expect(pointers({ a: { b: 1, c: [1, 2, 3] }, d: 'x' })).toEqual([])
  expect(pointers({ a: { b: 2, c: [1, 2, 3] }, d: 'x' })).toEqual(['state:/a/b'])
  expect(pointers({ a: { b: 2, c: [1, 9, 3] }, d: 'x' })).toEqual(['state:/a/c/1'])
  expect(pointers({ a: { b: 2, c: [1, 9, 3, 4] }, d: 'x' })).toEqual(['state:/a/c/-'])
  expect(pointers({ a: { b: 2, c: [9, 3, 4] }, d: 'x' })).toEqual(['state:/a/c/0', 'state:/a/c/~<0'])
  expect(pointers({ a: { b: 2, c: [9, 3, 4] } })).toEqual(['state:/d'])
  expect(pointers({ a: [2] })).toEqual(['state:/a'])
})

test('[CHG-4] a deleted key is gone, whatever JavaScript makes of its name', () => {
  const set = new ChangeSet(sha256)
  const writer = new BranchWriter(set, seededHost(1), 'main', 'agent')
  const names = ['toString', 'constructor', 'hasOwnProperty', 'valueOf']
  writer.write({ state: Object.fromEntries(names.map(name => [name, name])) })
  writer.write({ state: {} })
  expect(Object.keys(stateOf(replicaOf(set.changes())))).toEqual([])
})

test('[CHG-4] the state at any past change is what its author saw then', () => {
  holds(
    fc.tuple(histories({ steps_max: 40, edits: true }), deliveries),
    ([{ changes, authored }, delivery]) => {
      const set = deliver(changes, delivery)
      for (const { change, state } of authored) {
        expect(stateOf(set, set.viewAt([set.dag.node(change)]))).toEqual(state)
      }
    },
    200,
  )
})

test('[CHG-4] a state that catches up bit by bit is the state that is read at once', () => {
  holds(
    histories({ steps_max: 40, edits: true }),
    ({ changes }) => {
      const set = new ChangeSet(sha256)
      const live = new StateDoc(set, set.everything())
      for (const change of changes) {
        set.add(change)
        live.read()
      }
      expect(live.read()).toEqual(stateOf(set))
      live.free()
    },
    200,
  )
})

test('[STP-1] whoever writes from given heads sees the state there, however much the branch shows since', () => {
  const host = seededHost(1)
  const set = new ChangeSet(sha256)
  const main = new BranchWriter(set, host, 'main', 'agent')
  main.write({ state: { a: 1 } })
  const [early, late] = [1, 2].map(
    () => new BranchWriter(set, host, 'main', 'other', set.branches.heads('main').slice()),
  ) as [BranchWriter, BranchWriter]
  expect(early.state.read()).toEqual({ a: 1 })
  main.write({ state: { a: 2, b: 0 } })
  for (const { state } of [early, late]) {
    expect(state.read()).toEqual({ a: 1 })
    state.reset()
    expect(state.read()).toEqual({ a: 1 })
  }
  early.write({ state: { a: 1, c: 1 } })
  late.write({ state: { a: 1, d: 1 } })
  expect(late.state.read()).toEqual({ a: 1, d: 1 })
  expect(stateOf(set)).toEqual({ a: 2, b: 0, c: 1, d: 1 })
  for (const { state } of [main, early, late]) state.free()
})

test('a snapshot is frozen all through, and stays as it was', () => {
  const set = new ChangeSet(sha256)
  const writer = new BranchWriter(set, seededHost(1), 'main', 'agent')
  writer.write({ state: { list: [{ a: 1 }], object: { b: { c: 2 } } } })
  const snapshot = writer.state.read() as { list: { a: number }[]; object: { b: { c: number } } }
  expect(writer.state.read()).toBe(snapshot)
  const attempts = [
    () => snapshot.list.push({ a: 2 }),
    () => (snapshot.list[0]!.a = 2),
    () => (snapshot.object.b.c = 3),
    () => Object.assign(snapshot, { more: 1 }),
  ]
  for (const attempt of attempts) expect(attempt).toThrow(TypeError)
  writer.write({ state: { list: [] } })
  expect(snapshot).toEqual({ list: [{ a: 1 }], object: { b: { c: 2 } } })
  expect(writer.state.read()).toEqual({ list: [] })
})

test('an entry is frozen all through', () => {
  const set = new ChangeSet(sha256)
  const writer = new BranchWriter(set, seededHost(1), 'main', 'agent')
  writer.write({ entries: [{ kind: 'message', value: { deep: [1] } }] })
  const [entry] = set.entries(set.everything())
  expect(() => Object.assign(entry!, { kind: 'decision' })).toThrow(TypeError)
  expect(() => (entry!.value as { deep: number[] }).deep.push(2)).toThrow(TypeError)
})

/** The history but for its last state change, in place of which nothing builds on `hostile`: it, with altered content. */
function withHostileState(changes: readonly Change[], seed: number) {
  const dice = seededDice(seed)
  const last = changes.filter(change => change.state !== null).at(-1)
  if (last === undefined) return { honest: changes, hostile: undefined }
  const altered = (): Uint8Array =>
    forgedState(last.state!, bytes => {
      // At its end are the ops, in which small numbers mean something.
      const tail = Math.min(60, bytes.length - 12)
      for (let times = 1 + dice(2); times > 0; times--) bytes[bytes.length - 1 - dice(tail)] = dice(8)
    })
  const known = changes.flatMap(change => change.state ?? [])
  const state = dice(2) === 0 ? altered() : miswiredState(last.state!, known, new Dice(seed))
  const honest = replicaOf([])
  for (const change of changes) if (change.id !== last.id) addIfSound(honest, change)
  return { honest: honest.changes(), hostile: forged(last, { state }) }
}

/** @returns whether it was taken; where it was not, the set is as it was, which other tests prove */
function addIfSound(set: ChangeSet, change: Change): boolean {
  try {
    return set.add(change) >= 0
  } catch {
    return false
  }
}

test('[CHG-5] an Automerge change with altered content is refused, or counts alike on all replicas', () => {
  const history = histories({ steps_max: 30, edits: true })
  let taken = 0
  let refusals = 0
  holds(
    fc.tuple(history, deliveries, deliveries, fc.nat()),
    ([{ changes }, one, other, seed]) => {
      const { honest, hostile } = withHostileState(changes, seed)
      const set = replicaOf(honest)
      if (hostile && addIfSound(set, hostile)) taken++
      expect(digest(deliver(set.changes(), one), sha256)).toBe(digest(deliver(set.changes(), other), sha256))
      const state = new StateDoc(set, set.everything())
      const refused = [...state.refused].map(node => set.dag.id(node))
      if (refused.length > 0) {
        refusals++
        expect(refused).toEqual([hostile!.id])
        expect(state.read()).toEqual(stateOf(replicaOf(honest)))
      }
      state.free()
    },
    500,
  )
  comesUp(taken, 100)
  comesUp(refusals, 0)
})

describe('[CHG-5] hostile state does not stop a replica from reading', () => {
  /** A context with one honest state change, and one by `eve` with these Automerge bytes. */
  function attacked(make: (backend: ReturnType<typeof getBackend>) => void) {
    const host = seededHost(5)
    const set = new ChangeSet(sha256)
    const honest = new BranchWriter(set, host, 'main', 'ada')
    const change = honest.write({ state: { kept: true } })!
    const actor = 'ee'.repeat(16)
    const backend = getBackend(init({ actor }))
    make(backend)
    backend.commit(null, 0)
    const state = backend.getLastLocalChange()!
    const lie = { actor, seq: 1, lamport: 1, deps: packed([]), writes: ['state:/x'] }
    return { set, honest, hostile: forged(change, { ...lie, state }) }
  }

  test.each([
    ['bytes', (b: ReturnType<typeof getBackend>) => b.put('/', 'x', new Uint8Array([1, 2]))],
    ['a date', (b: ReturnType<typeof getBackend>) => b.put('/', 'x', new Date(5))],
    ['a counter', (b: ReturnType<typeof getBackend>) => b.put('/', 'x', 5, 'counter')],
    ['a text object', (b: ReturnType<typeof getBackend>) => b.putObject('/', 'x', 'text')],
    ['infinity', (b: ReturnType<typeof getBackend>) => b.put('/', 'x', Number.POSITIVE_INFINITY, 'f64')],
    ['a prototype', (b: ReturnType<typeof getBackend>) => b.putObject('/', '__proto__', { polluted: 1 })],
  ])('%s, which JSON does not know', (_, make) => {
    const { set, honest, hostile } = attacked(make)
    expect(codeOf(() => set.add(hostile))).toBe('WEFT_CHANGE_STATE')
    expect(honest.state.read()).toEqual({ kept: true })
    honest.write({ state: { ...honest.state.read(), more: 1 } })
    expect(honest.state.read()).toEqual({ kept: true, more: 1 })
  })

  test('objects nested without end', () => {
    const { set, honest, hostile } = attacked(backend => {
      let object = '/'
      for (let depth = 0; depth < 20_000; depth++) object = backend.putObject(object, 'x', {})
    })
    addIfSound(set, hostile)
    expect(honest.state.read().kept).toBe(true)
  })

  test('a header that names a pointer which is none', () => {
    const { hostile } = attacked(backend => backend.put('/', 'x', 1))
    const [header, entries, state] = frameOf(hostile)
    const hex = (text: string) => toHex(encodeUtf8(text))
    const named = toHex(header!).replace(hex('state:/x'), hex('state:xx'))
    const bytes = framed([fromHex(named), entries!, state!])
    expect(codeOf(() => decodeChange(bytes, sha256))).toBe('WEFT_CHANGE_MALFORMED')
  })

  const DEPTH = 30_000
  test.each([
    ['are nested without end', `[${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}]`],
    ['are no JSON', '[{'],
    ['are fewer than their kinds', '[]'],
    ['are no list', '{"0":1}'],
    ['set a prototype', '[{"__proto__":{"polluted":1}}]'],
  ])('entries that %s', (_, text) => {
    const { set } = attacked(backend => backend.put('/', 'x', 1))
    const eve = new BranchWriter(new ChangeSet(sha256), seededHost(6), 'main', 'eve')
    const hostile = forgedEntries(eve.write({ entries: [{ kind: 'message', value: 1 }] })!, text)
    set.add(hostile)
    expect(codeOf(() => hostile.values())).toBe('WEFT_CHANGE_MALFORMED')
    expect(set.entries(set.everything())).toEqual([])
  })
})
