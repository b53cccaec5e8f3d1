import {
  decodeChange as decodeByAutomerge,
  encodeChange as encodeByAutomerge,
  free,
  getBackend,
  init,
  load,
} from '@automerge/automerge'
import {
  BranchWriter,
  type Change,
  ChangeSet,
  fromHex,
  LIMITS,
  readStateChunk,
  toHex,
  TrialDoc,
} from '@weft/core'
import { describe, expect, test } from 'vitest'
import { Dice } from '../../fuzz/dice.ts'
import { miswiredState, rechunked } from '../../fuzz/forge.ts'
import { codeOf, forged, forgedState, packed, refusal } from '../support/core-forge.ts'
import { histories, replicaOf } from '../support/core-history.ts'
import { comesUp, holds, SEED, seededDice, seededHost, sha256 } from '../support/core-property.ts'

type StateLedger = ChangeSet['ledger']
type Backend = ReturnType<typeof getBackend>

/** The bytes of one Automerge change of `actor`, as Automerge makes them. */
function made(make: (backend: Backend) => void, actor = 'ee'.repeat(16), known: readonly Uint8Array[] = []) {
  const backend = getBackend(init({ actor }))
  backend.applyChanges([...known])
  make(backend)
  backend.commit(null, 0)
  const bytes = backend.getLastLocalChange()!
  backend.free()
  return bytes
}

/** What Automerge itself says of a change, in the words of a `StateChunk`. */
function oracle(bytes: Uint8Array) {
  const { hash, deps, actor, seq, startOp, ops } = decodeByAutomerge(bytes)
  const named = new Set<string>()
  for (const op of ops) {
    const { obj, elemId, pred = [] } = op as { obj: string; elemId?: string; pred?: string[] }
    for (const id of [obj, elemId, ...pred]) {
      const counter = Number.parseInt(id ?? '', 10)
      if (counter < startOp) named.add(id!)
    }
  }
  named.delete('_head')
  const into = new Map<string, boolean>()
  const makes = new Map<number, boolean>()
  ops.forEach(({ action, obj, key }, index) => {
    if (action === 'makeMap' || action === 'makeList') makes.set(startOp + index, action === 'makeMap')
    if (Number.parseInt(obj, 10) < startOp) into.set(obj, key !== undefined)
  })
  return { hash, deps, actor, seq, startOp, ops: ops.length, named: [...named].sort(), into, makes }
}

function told(bytes: Uint8Array) {
  const { nests: _, named, into, ...chunk } = readStateChunk(bytes, sha256)
  const ids = named.flatMap(({ actor, counters }) => [...counters].map(counter => `${counter}@${actor}`))
  const objects = into.flatMap(({ actor, objects }) =>
    [...objects].map(([counter, isMap]) => [`${counter}@${actor}`, isMap] as const),
  )
  return { ...chunk, named: ids.sort(), into: new Map(objects) }
}

test('[CHG-5] what is read of a state change is what Automerge reads of it', () => {
  let changes = 0
  holds(
    histories({ steps_max: 40, edits: true }),
    history => {
      for (const { state } of history.changes) {
        if (state === null) continue
        changes++
        expect(told(state)).toEqual(oracle(state))
      }
    },
    120,
  )
  comesUp(changes, 600)
})

test('large numbers, all kinds of values and long runs are read as they were written', () => {
  const value = [0, -1, 63, 64, -64, -65, 2 ** 53 - 1, -(2 ** 53 - 1), 0.5, '', 'é🙂', null, true, false]
  const set = new ChangeSet(sha256)
  const writer = new BranchWriter(set, seededHost(1), 'main', 'ada')
  writer.write({ state: { value, run: Array.from({ length: 1_000 }, () => 7) } })
  writer.write({ state: { value: value.slice(3), run: [] } })
  for (const { state } of set.changes()) expect(told(state!)).toEqual(oracle(state!))
  writer.state.free()
})

/** The change with some of its bytes replaced, given as hex; its length and checksum are right again. */
function withHex(state: Uint8Array, from: string, to: string): Uint8Array {
  const parts = toHex(state).split(from)
  expect(parts).toHaveLength(2)
  return forgedState(fromHex(parts.join(to)), bytes => bytes.set([bytes.length - 10], 9))
}

describe('[CHG-5] a state change that Weft does not write is refused before anything is made of it', () => {
  const small = made(backend => {
    backend.put('/', 'k', 'v', 'str')
    const list = backend.putObject('/', 'l', [])
    for (let i = 0; i < 3; i++) backend.insert(list, i, 1, 'int')
  })
  const wide = made(b => {
    const list = b.putObject('/', 'l', [])
    for (let i = 0; i < LIMITS.state_ops_per_change_max; i++) b.insert(list, i, null)
  })
  const keyed = made(b => {
    const list = b.putObject('/', 'l', [])
    for (let i = 0; i < 9; i++) b.put(b.insertObject(list, i, {}), 'k'.repeat(950_000), 1, 'int')
  })
  const deep = made(b => {
    let object = '/'
    for (let depth = 0; depth <= LIMITS.value_depth_max; depth++) object = b.putObject(object, 'x', {})
  })

  test.each<[string, RegExp, () => Uint8Array]>([
    ['an op of a text', /action 4/, () => made(b => b.putObject('/', 'x', 'text'))],
    ['an unsigned integer', /JSON/, () => made(b => b.put('/', 'x', 5, 'uint'))],
    ['not a number', /JSON/, () => made(b => b.put('/', 'x', Number.NaN, 'f64'))],
    ['a compressed column', /column 74 /, () => withHex(small, '42055605', '4a055605')],
    ['an unknown column', /column 67 /, () => withHex(small, '42055605', '43055605')],
    ['columns out of order', /column 52 /, () => withHex(small, '34024205', '42053402')],
    ['columns of unequal length', /differ in length/, () => withHex(small, '02037e0102', '02047e0102')],
    ['a number in more bytes than it needs', /broken/, () => withHex(small, '0101000000', '810001000000')],
    ['a text that is not UTF-8', /UTF-8/, () => withHex(small, '016b016c', '01ff016c')],
    ['bytes behind its columns', /follow/, () => withHex(small, '760101010500', '76010101050000')],
    ['an actor that is not there', /does not stand before/, () => withHex(small, '00020300', '00020301')],
    ['an item of another list', /another list/, () => withHex(small, '00027d0003', '00027d0001')],
    ['an op that comes later', /does not stand before/, () => withHex(small, '00020302', '00020307')],
    ['objects nested without end', /deeper than/, () => deep],
  ])('%s', (_, reason, make) => {
    const error = refusal(() => readStateChunk(make(), sha256))
    expect(error.code).toBe('WEFT_CHANGE_STATE')
    expect(error.message).toMatch(reason)
  })

  test.each<[string, () => Uint8Array]>([
    ['a hundred million ops in five bytes', () => withHex(small, '7e01020301', 'ffffff3f01')],
    ['one op too many', () => wide],
    ['keys that repeat to megabytes', () => keyed],
  ])('%s', (_, make) => {
    expect(codeOf(() => readStateChunk(make(), sha256))).toBe('WEFT_CHANGE_TOO_LARGE')
  })

  test('an author hears of it before anything is written, and goes on', () => {
    const writer = new BranchWriter(new ChangeSet(sha256), seededHost(1), 'main', 'ada')
    const list = Array.from({ length: LIMITS.state_ops_per_change_max - 1 }, (_, i) => i % 7)
    expect(codeOf(() => writer.write({ state: { list: [...list, 1] } }))).toBe('WEFT_CHANGE_TOO_LARGE')
    expect(writer.write({ state: { list } })!.header.seq).toBe(1)
    expect(writer.state.read()).toEqual({ list })
    writer.state.free()
  })
})

describe('[CHG-4] [CHG-5] a state change names what is in its past, and nothing else', () => {
  const host = seededHost(3)
  const set = new ChangeSet(sha256)
  const ada = new BranchWriter(set, host, 'main', 'ada')
  const root = ada.write({ state: { map: {} } })!
  const aside = new ChangeSet(sha256)
  aside.add(root)
  const bob = new BranchWriter(aside, host, 'main', 'bob')
  const concurrent = bob.write({ state: { map: {}, other: { a: 1 } } })!
  /** It has more ops than `concurrent`, so that the ops of that have numbers which whoever knows this has passed. */
  const tail = ada.write({ state: { map: { a: 1, b: 2, c: 3, d: 4, e: 5 } } })!
  const eve = 'ee'.repeat(16)
  const hashOf = (change: Change): string => readStateChunk(change.state!, sha256).hash
  /** By eve, on `on` alone, as far as her envelope says. */
  const byEve = (state: Uint8Array, on: Change): Change => {
    const { lamport } = on.header
    return forged(tail, { actor: eve, seq: 1, lamport: lamport + 1, deps: packed([on.id]), state })
  }
  const known = replicaOf([root, concurrent])

  test('an object that a concurrent change made is not there for it, whoever has that change', () => {
    const { startOp } = readStateChunk(concurrent.state!, sha256)
    const object = `${startOp}@${concurrent.header.actor}`
    const states = [root, tail, concurrent].map(({ state }) => state!)
    const both = made(b => b.put(object, 'a', 2, 'int'), eve, states)
    expect(readStateChunk(both, sha256).deps).toEqual([hashOf(tail), hashOf(concurrent)].sort())
    const one = rechunked(both, body =>
      fromHex(toHex(body).replace(hashOf(concurrent), '').replace('02', '01')),
    )
    expect(readStateChunk(one, sha256).deps).toEqual([hashOf(tail)])
    const hostile = byEve(one, tail)
    for (const changes of [
      [root, tail],
      [root, tail, concurrent],
      [root, concurrent, tail],
    ]) {
      expect(refusal(() => replicaOf(changes).add(hostile)).message).toMatch(/names an op/)
    }
  })

  test('a dep that is concurrent to its change is refused, whichever of the two came first', () => {
    const onBoth = made(b => b.put('/', 'x', 1, 'int'), eve, [root.state!, tail.state!, concurrent.state!])
    const onOther = made(b => b.put('/', 'x', 1, 'int'), eve, [root.state!, concurrent.state!])
    for (const state of [onBoth, onOther]) {
      for (const changes of [
        [root, tail, concurrent],
        [root, concurrent, tail],
      ]) {
        const hostile = byEve(state, tail)
        expect(refusal(() => replicaOf(changes).add(hostile)).message).toMatch(
          /not in the past of its change/,
        )
      }
    }
  })

  test('a startOp that its deps do not make is refused', () => {
    const honest = made(b => b.put('/', 'x', 1, 'int'), eve, [root.state!])
    expect(replicaOf([root]).add(byEve(honest, root))).toBeGreaterThan(0)
    const { startOp, deps } = readStateChunk(honest, sha256)
    const head = 11 + deps.length * 32 + 1 + 16 + 1
    expect(honest[head]).toBe(startOp)
    for (const wrong of [startOp - 1, startOp + 1]) {
      const state = forgedState(honest, bytes => bytes.set([wrong], head))
      expect(refusal(() => known.add(byEve(state, root))).message).toMatch(/startOp/)
    }
  })
})

describe('[CHG-5] what is written into', () => {
  const set = new ChangeSet(sha256)
  const ada = new BranchWriter(set, seededHost(5), 'main', 'ada')
  const root = ada.write({ state: { list: [1], map: { a: 1 } } })!
  const tail = ada.write({ state: { list: [1], map: { a: 2 } } })!
  const [list, map] = [...readStateChunk(root.state!, sha256).makes].map(
    ([counter, isMap]) => [`${counter}@${root.header.actor}`, isMap] as const,
  )

  /** What eve would write behind all that, but into another object. */
  const redirected = (write: (backend: Backend) => void, obj: string): Uint8Array => {
    const decoded = decodeByAutomerge(made(write, 'ee'.repeat(16), [root.state!, tail.state!]))
    return encodeByAutomerge({ ...decoded, ops: decoded.ops.map(op => ({ ...op, obj })) } as never)
  }
  const offered = (state: Uint8Array): Change =>
    forged(tail, {
      actor: 'ee'.repeat(16),
      seq: 1,
      lamport: tail.header.lamport + 1,
      deps: packed([tail.id]),
      state,
    })

  test('is of the kind that it was made as', () => {
    expect([list![1], map![1]]).toEqual([false, true])
    const intoList = redirected(b => b.put(map![0], 'b', 2, 'int'), list![0])
    const intoMap = redirected(b => b.insert(list![0], 0, 2, 'int'), map![0])
    for (const state of [intoList, intoMap])
      expect(refusal(() => replicaOf([root, tail]).add(offered(state))).message).toMatch(
        /no object of that kind/,
      )
    const honest = made(b => b.put(map![0], 'b', 2, 'int'), 'ee'.repeat(16), [root.state!, tail.state!])
    expect(replicaOf([root, tail]).add(offered(honest))).toBeGreaterThan(0)
  })

  test('is no value either', () => {
    const value = readStateChunk(tail.state!, sha256).startOp
    const id = `${value}@${tail.header.actor}`
    const intoValue = redirected(b => b.put(map![0], 'b', 2, 'int'), id)
    expect(refusal(() => replicaOf([root, tail]).add(offered(intoValue))).message).toMatch(
      /no object of that kind/,
    )
  })
})

describe('a trial', () => {
  test('[CHG-5] behind the ledger admits what every document can be saved and loaded with, and nothing else', () => {
    const dice = seededDice(SEED)
    const counts = { refused: 0, admitted: 0 }
    holds(
      histories({ steps_max: 12, edits: true }),
      ({ changes }) => {
        const at = changes.findLastIndex(({ state }) => state !== null)
        if (at < 0) return
        const { [at]: lastChange } = changes
        const last = lastChange!.state!
        const { ledger } = replicaOf(changes.slice(0, at))
        const states = changes.slice(0, at).flatMap(({ state }) => state ?? [])
        const trial = new TrialDoc(sha256)
        trial.take(states)
        for (let run = 0; run < 20; run++) {
          const altered =
            dice(2) === 0 ? mistyped(last, dice) : miswiredState(last, states, new Dice(dice(1e9)))
          const [reason] = trial.try([altered])
          trial.settle([false])
          if (!isLawful(ledger, forged(lastChange!, { state: altered }))) continue
          counts[reason === undefined ? 'admitted' : 'refused']++
          // It makes objects in one that is deleted, which does no harm and nobody needs.
          if (reason?.includes('could not see')) continue
          expect(reason === undefined).toBe(surviveSaving([...states, altered]))
        }
        expect(trial.try([last])).toEqual([undefined])
        trial.free()
      },
      100,
    )
    comesUp(counts.admitted, 13)
    comesUp(counts.refused, 13)
  })

  test('what was tried and not admitted is forgotten, and what follows a refused change is refused', () => {
    const set = new ChangeSet(sha256)
    const writer = new BranchWriter(set, seededHost(2), 'main', 'ada')
    for (let i = 0; i < 4; i++) writer.write({ state: { i } })
    const [a, b, c, d] = set.changes().map(({ state }) => state!)
    const trial = new TrialDoc(sha256)
    trial.take([a!])
    expect(trial.try([b!, c!])).toEqual([undefined, undefined])
    trial.settle([true, false])
    expect(trial.try([d!])).toEqual([expect.stringMatching(/before what it depends on/)])
    trial.settle([])
    expect(trial.try([c!, c!.slice(0, -1), d!])).toEqual([undefined, expect.any(String), undefined])
    trial.settle([true, true])
    trial.free()
    writer.state.free()
  })

  test('objects cannot be nested deeper change by change than one may write at once', () => {
    const actor = 'ee'.repeat(16)
    const trial = new TrialDoc(sha256)
    const known: Uint8Array[] = []
    let object = '/'
    const nest = (levels: number): Uint8Array =>
      made(
        b => {
          for (let i = 0; i < levels; i++) object = b.putObject(object, 'x', {})
        },
        actor,
        known,
      )
    for (const levels of [40, 24]) {
      known.push(nest(levels))
      expect(trial.try(known.slice(-1))).toEqual([undefined])
      trial.settle([true])
    }
    expect(trial.try([nest(1)])).toEqual([expect.stringMatching(/deeper than/)])
    trial.free()
  })
})

/** With one or two of the bytes of its ops altered, in which small numbers mean something. */
function mistyped(state: Uint8Array, dice: (below: number) => number): Uint8Array {
  return forgedState(state, bytes => {
    const tail = Math.min(60, bytes.length - 12)
    for (let times = 1 + dice(2); times > 0; times--) bytes[bytes.length - 1 - dice(tail)] = dice(8)
  })
}

function isLawful(ledger: StateLedger, change: Change): boolean {
  try {
    ledger.check(change)
    return true
  } catch {
    return false
  }
}

/** Whether a document of these can be made, saved and loaded again, as far as Automerge itself can tell. */
function surviveSaving(states: readonly Uint8Array[]): boolean {
  const backend = getBackend(init())
  try {
    backend.applyChanges([...states])
    if (backend.getMissingDeps([]).length > 0) return false
    free(load(backend.save()))
    return true
  } catch {
    return false
  } finally {
    backend.free()
  }
}
