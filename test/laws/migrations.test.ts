import {
  type ChangeId,
  type Conflict,
  type ContextDefinition,
  CommitIndex,
  defineContext,
  digest,
  findConflicts,
  findResolutions,
  isOlder,
  type JsonObject,
  migratedState,
  planRevert,
  StateDoc,
  toHex,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../support/core-forge.ts'
import { holds, pick, sha256 } from '../support/core-property.ts'
import {
  acts,
  begin,
  edited,
  First,
  play,
  Second,
  sync,
  syncAll,
  Third,
  Worker,
} from '../support/migrating-workers.ts'

const RUNS = 60
const titled = (title: string) => (state: JsonObject) => ({ ...state, title })
const named = (name: string) => (state: JsonObject) => ({ ...state, name })
const counted = (count: number) => (state: JsonObject) => ({ ...state, count })

function conflictsOf({ set }: Worker): Conflict[] {
  const document = new StateDoc(set, set.view('main'))
  try {
    return findConflicts(set, set.view('main'), document)
  } finally {
    document.free()
  }
}

function migrates({ set }: Worker, change: ChangeId): boolean {
  return set.change(set.dag.node(change)).header.notes.migrates !== undefined
}

/** Conflicts in which a migration takes part. */
function contested(worker: Worker): Conflict[] {
  return conflictsOf(worker).filter(({ values }) => values.some(({ change }) => migrates(worker, change)))
}

function expectEqual(workers: readonly Worker[]): void {
  expect(new Set(workers.map(({ set }) => digest(set, sha256))).size).toBe(1)
}

describe('[HND-2] older versions are migrated by pure functions', () => {
  test('one change brings the state to the version of the definition, and says so', () => {
    const [worker] = begin()
    worker.edit(First, titled('x'))
    const [change, ...more] = worker.open(Third)
    expect(more).toEqual([])
    expect(change!.header.notes).toMatchObject({ schema: { name: 'report', version: 3 }, migrates: 1 })
    expect(worker.state()).toEqual({ name: '<x>', count: 0, tags: {}, constraints: {}, done: false })
    expect(worker.version()).toBe(3)
    expect(worker.open(Third)).toEqual([])
  })

  test('its bytes stay what they are: contexts that exist hold this change', () => {
    const [worker] = begin()
    expect(worker.open(Second).map(({ id }) => id)).toMatchInlineSnapshot(`
      [
        "2d465b3b347b949552f57fa941a29d511a42937632bbde22dac18e637ca84d35",
      ]
    `)
  })

  test('it can be seen without being written, and what was written before it stays as it was', () => {
    const [worker] = begin()
    const old = worker.edit(First, titled('x'))!
    const state = worker.state()
    expect(isOlder(worker.set, Second, 'main')).toBe(true)
    const seen = migratedState(worker.set, Second, 'main', state)
    worker.open(Second)
    expect(isOlder(worker.set, Second, 'main')).toBe(false)
    expect(worker.state()).toEqual(seen)
    const then = new StateDoc(worker.set, worker.set.viewAt([worker.set.dag.node(old.id)]))
    expect(then.read()).toEqual(state)
    then.free()
  })

  test('a context without state comes to the new version, and its state stays unwritten', () => {
    const log = (version: number, migrations = {}) =>
      defineContext({ name: 'log', version, entries: {}, migrations }) as ContextDefinition
    const worker = new Worker(1)
    worker.writer(log(1)).write({ entries: [{ kind: 'note', value: 1 }] })
    expect(codeOf(() => worker.open(log(2)))).toBe('WEFT_SCHEMA_UNKNOWN')
    worker.open(log(2, { 2: () => ({ surprise: 1 }) }))
    expect(worker.version()).toBe(2)
    expect(worker.state()).toEqual({})
  })

  test('a branch is migrated when it is opened, whatever its parent is at; one forked from the past too', () => {
    const [worker] = begin()
    worker.edit(First, titled('x'))
    worker.writer(First).fork(['side'])
    const past = [...worker.set.branches.heads('main')]
    worker.open(Second)
    expect(worker.state('side')).toMatchObject({ title: 'x' })
    expect(worker.version('side')).toBe(1)
    worker.open(Second, 'side')
    expect(worker.state('side')).toEqual(worker.state('main'))
    worker.writer(Second).fork(['again'], past)
    expect(worker.version('again')).toBe(1)
    expect(worker.open(Second)).toEqual([])
    worker.open(Second, 'again')
    expect(worker.state('again')).toEqual(worker.state('main'))
  })

  test('branches that were migrated apart merge without a conflict where they agree', () => {
    const [worker] = begin()
    worker.writer(First).fork(['side'])
    worker.edit(First, counted(1))
    worker.edit(First, state => ({ ...state, tags: { a: 1 } }), 'side')
    worker.open(Second)
    worker.open(Second, 'side')
    worker.writer(Second).merge(['side'])
    expect(worker.state()).toEqual({ name: '<draft>', count: 1, tags: { a: 1 }, constraints: {} })
    expect(conflictsOf(worker)).toEqual([])
  })

  test('a conflict is decided by a migration that moves its pointer, in the ledger, and else stays open', () => {
    const [ada, bob] = begin()
    ada.edit(First, state => ({ ...state, title: 'a', count: 1 }))
    bob.edit(First, state => ({ ...state, title: 'b', count: 2 }))
    syncAll([ada, bob])
    const [change] = ada.open(Second)
    expect(conflictsOf(ada).map(({ pointer }) => pointer)).toEqual(['/count'])
    const document = new StateDoc(ada.set, ada.set.view('main'))
    const [resolution] = findResolutions(ada.set, ada.set.view('main'), document, '/title')
    expect(resolution).toMatchObject({ change: change!.id, agent: 'weft', reason: 'from version 1 to 2' })
    expect(resolution!.settled.map(({ value }) => value).sort()).toEqual(['a', 'b'])
    document.free()
  })

  test('a migration is nothing that a revert could undo', () => {
    const [worker] = begin()
    const [change] = worker.open(Second)
    const document = new StateDoc(worker.set, worker.set.view('main'))
    const plan = () =>
      planRevert(worker.set, worker.set.view('main'), document, { change: change!.id }, new CommitIndex())
    expect(codeOf(plan)).toBe('WEFT_REVERT_NOTHING')
    document.free()
  })
})

describe('[HND-2] workers that migrate at once converge', () => {
  const plans = fc.record({ plan: acts(['title', 'count', 'tags']), seed: fc.nat() })

  test('at equal heads they write one and the same change, in whatever order the changes came', () => {
    holds(
      plans,
      ({ plan, seed }) => {
        const workers = play(plan.filter(act => act.do !== 'migrate'))
        syncAll(workers, seed)
        const written = workers.map(worker => worker.open(Second).map(({ bytes }) => toHex(bytes)))
        expect(written[0]).toHaveLength(1)
        expect(written[1]).toEqual(written[0])
        expect(written[2]).toEqual(written[0])
        expectEqual(workers)
      },
      RUNS,
    )
  })

  test('what older workers write meanwhile ends as if all of it had been written before', () => {
    holds(
      plans,
      ({ plan, seed }) => {
        const [ada, bob, newer] = begin()
        for (const act of plan) {
          if (act.do === 'edit') pick([ada, bob], act.worker).edit(First, state => edited(state, act.edit))
          if (act.do === 'migrate') newer.open(Second)
          if (act.do === 'sync') sync([ada, bob, newer], { ...act, from: act.from % 2 })
        }
        syncAll([ada, bob], seed)
        const expected = migratedState(ada.set, Second, 'main', ada.state())
        const undecided = conflictsOf(ada).filter(({ pointer }) => pointer !== '/title')
        syncAll([ada, bob, newer], seed)
        for (const worker of [ada, bob, newer]) worker.open(Second)
        expectEqual([ada, bob, newer])
        expect(newer.state()).toEqual(expected)
        expect(contested(newer)).toEqual([])
        expect(conflictsOf(newer).map(({ pointer }) => pointer)).toEqual(undecided.map(each => each.pointer))
      },
      RUNS,
    )
  })

  test('at different heads they meet as any writes do: in conflict only where they really disagree', () => {
    holds(
      plans,
      ({ plan, seed }) => {
        const workers = play(plan)
        syncAll(workers, seed)
        for (const worker of workers) worker.open(Second)
        expectEqual(workers)
        for (const { values } of contested(workers[0])) {
          const distinct = values.map(({ pointer, value }) => JSON.stringify([pointer, value ?? null]))
          expect(new Set(distinct).size).toBeGreaterThan(1)
        }
      },
      RUNS,
    )
  })

  test('and nowhere while nobody touches what the migration moves', () => {
    holds(
      fc.record({ plan: acts(['count', 'tags']), seed: fc.nat() }),
      ({ plan, seed }) => {
        const workers = play(plan)
        syncAll(workers, seed)
        for (const worker of workers) worker.open(Second)
        expectEqual(workers)
        expect(contested(workers[0])).toEqual([])
        expect(workers[0].state()).toMatchObject({ name: '<draft>', constraints: {} })
        expect(workers[0].state()).not.toHaveProperty('title')
      },
      RUNS,
    )
  })

  test('what a newer worker decided meanwhile is in conflict with what an older one did, and with nothing else', () => {
    const [older, newer] = begin()
    newer.open(Second)
    newer.edit(Second, state => ({ ...state, name: 'decided', constraints: { format: 'json' } }))
    older.edit(First, counted(5))
    syncAll([older, newer])
    newer.open(Second)
    expect(conflictsOf(newer)).toEqual([])
    expect(newer.state()).toEqual({ name: 'decided', count: 5, tags: {}, constraints: { format: 'json' } })
    const late = new Worker(7, older.set.changes().slice(0, 2))
    late.edit(First, titled('late'))
    syncAll([late, newer])
    newer.open(Second)
    expect(
      conflictsOf(newer).map(({ pointer, values }) => [pointer, values.map(({ value }) => value).sort()]),
    ).toEqual([['/name', ['<late>', 'decided']]])
  })

  test('a late write that stands as it is ends its conflict with the migration too', () => {
    const AtLeastOne = defineContext({
      name: 'report',
      version: 2,
      entries: {},
      migrations: { 2: old => ({ ...old, count: Math.max(Number(old.count), 1) }) },
    }) as ContextDefinition
    for (let seed = 0; seed < 8; seed++) {
      const [, newer] = begin()
      newer.open(AtLeastOne)
      const older = new Worker(seed, newer.set.changes().slice(0, 1))
      older.edit(First, counted(5))
      syncAll([older, newer])
      newer.open(AtLeastOne)
      expect(newer.state()).toMatchObject({ count: 5 })
      expect(conflictsOf(newer)).toEqual([])
    }
  })

  test('who began without knowing of the context has its initial state give way, and what it wrote stays', () => {
    const [older] = begin()
    older.edit(First, state => ({ ...state, title: 'x', tags: { a: 1 } }))
    const apart = new Worker(5)
    apart.edit(Second, state => ({ ...state, constraints: { format: 'json' } }))
    expect(apart.set.size).toBe(2)
    apart.take(older.set.changes())
    apart.open(Second)
    expect(apart.state()).toEqual({ name: '<x>', count: 0, tags: { a: 1 }, constraints: { format: 'json' } })
    expect(conflictsOf(apart)).toEqual([])
  })

  test('with workers of three versions the lowest is brought to the next, and all to the highest', () => {
    const [a, b, c] = begin()
    b.open(Second)
    b.edit(Second, named('b'))
    a.edit(First, counted(1))
    syncAll([a, b, c])
    const written = a.open(Third).map(({ header }) => [header.notes.migrates, header.notes.schema!.version])
    expect(written).toEqual([
      [1, 2],
      [2, 3],
    ])
    expect(a.state()).toEqual({ name: 'b', count: 1, tags: {}, constraints: {}, done: false })
    c.open(Third)
    b.open(Third)
    expectEqual([a, b, c])
  })
})
