import {
  BranchWriter,
  type Change,
  type ChangeId,
  ChangeSet,
  CommitIndex,
  findConflicts,
  fromHex,
  isWeftError,
  type Json,
  planRevert,
  type RevertPlan,
  type RevertTarget,
  sealChange,
  withPointers,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deliver, deliveries, histories, replicaOf } from '../support/core-history.ts'
import { codeOf } from '../support/core-forge.ts'
import { comesUp, holds, pick, pickSome, seededHost, sha256 } from '../support/core-property.ts'
import { RevertOracle } from '../support/revert-oracle.ts'

const RUNS = Number(process.env.WEFT_REVERT_RUNS ?? 600)
const KEYS = ['a', 'b', 'c']

interface Act {
  readonly replica: number
  readonly sync: number
  readonly entries: number
  readonly keys: number
  readonly revert: number
}

const nat = fc.nat(0xffff)
const act = fc.record({ replica: nat, sync: nat, entries: fc.nat(2), keys: nat, revert: nat })
const runs = fc.record({ seed: nat, acts: fc.array(act, { minLength: 2, maxLength: 14 }), target: nat })

interface Played {
  readonly changes: readonly Change[]
  /** What the author of a change made of the keys that it wrote. */
  readonly wrote: ReadonlyMap<ChangeId, Readonly<Record<string, Json | undefined>>>
}

/** Three replicas of one branch that write entries and keys, delete keys, revert what they see, and sync now and then. */
function play({ seed, acts }: { seed: number; acts: readonly Act[] }): Played {
  const host = seededHost(seed)
  const writers = [0, 1, 2].map(at => new BranchWriter(new ChangeSet(sha256), host, 'main', `agent-${at}`))
  const wrote = new Map<ChangeId, Record<string, Json | undefined>>()
  for (const [at, { replica, sync, entries, keys, revert }] of acts.entries()) {
    const writer = pick(writers, replica)
    if (sync % 3 !== 0) for (const change of pick(writers, sync >> 4).set.changes()) writer.set.add(change)
    if (revert % 3 === 0 && tryRevert(writer, targetOf(writer.set.changes(), revert >> 2))) continue
    const state = { ...writer.state.read() }
    const written: Record<string, Json | undefined> = {}
    for (const key of pickSome(KEYS, keys)) {
      written[key] = (keys >> 4) % 5 === 0 && key in state ? undefined : `${at}:${key}`
      if (written[key] === undefined) delete state[key]
      else state[key] = written[key]
    }
    const values = Array.from({ length: entries }, (_, index) => ({ kind: 'note', value: index }))
    const change = writer.write({ entries: values, state, notes: { reason: 'act' } })
    if (change) wrote.set(change.id, written)
  }
  const all = new ChangeSet(sha256)
  for (const { set, state } of writers) {
    for (const change of set.changes()) all.add(change)
    state.free()
  }
  return { changes: all.changes(), wrote }
}

function targetOf(changes: readonly Change[], number: number): RevertTarget {
  if (changes.length === 0) return { changes: [] }
  const change = pick(changes, number >> 2)
  if (number % 4 === 0) return { actor: change.header.actor }
  if (number % 4 === 1) return { changes: pickSome(changes, number >> 2).map(({ id }) => id) }
  return { change: change.id }
}

function planOn(writer: BranchWriter, target: RevertTarget, index = new CommitIndex()): RevertPlan {
  return planRevert(writer.set, writer.set.view(writer.branch), writer.state, target, index)
}

function carryOut(writer: BranchWriter, { changes, pointers }: RevertPlan): Change {
  const { set, state } = writer
  return writer.write({
    notes: { reverts: set.dag.packIds(set.nodes(changes)) },
    state: withPointers(state.read(), pointers),
    touches: pointers.map(({ pointer }) => pointer),
  })!
}

const REFUSALS = ['WEFT_REVERT_ALREADY', 'WEFT_REVERT_NOTHING', 'WEFT_CHANGE_UNKNOWN']

function tryRevert(writer: BranchWriter, target: RevertTarget): Change | undefined {
  const before = writer.set.size
  const plan = outcome(writer, target)
  if (typeof plan !== 'string') return carryOut(writer, plan)
  expect(REFUSALS).toContain(plan)
  expect(writer.set.size).toBe(before)
  return undefined
}

/** The plan, or the code with which it is refused. */
function outcome(writer: BranchWriter, target: RevertTarget): RevertPlan | string {
  try {
    return planOn(writer, target)
  } catch (error) {
    if (isWeftError(error)) return error.code
    throw error
  }
}

function writerOn(changes: readonly Change[], seed = 0x7f000001): BranchWriter {
  return new BranchWriter(replicaOf(changes), seededHost(seed), 'main', 'reviewer')
}

const shown = ({ set, branch }: BranchWriter): string[] => set.entries(set.view(branch)).map(({ id }) => id)

describe('[STP-4] a revert', () => {
  test('[STP-4] shows and restores what the law says, on random histories with reverts of reverts', () => {
    const seen = { planned: 0, kept: 0, pointers: 0, restored: 0, already: 0 }
    holds(
      runs,
      plan => {
        const { changes, wrote } = play(plan)
        const writer = writerOn(changes)
        const target = targetOf(changes, plan.target)
        const chosen = changes.filter(
          ({ id, header }) =>
            ('actor' in target && header.actor === target.actor) ||
            ('change' in target && id === target.change) ||
            ('changes' in target && target.changes.includes(id)),
        )
        const oracle = new RevertOracle(changes, wrote)
        expect(shown(writer)).toEqual(oracle.shown())
        const expected = oracle.plan(chosen.map(({ id }) => id))
        if (typeof expected === 'string') {
          expect(codeOf(() => planOn(writer, target))).toBe(expected)
          if (expected === 'WEFT_REVERT_ALREADY') seen.already++
          return
        }
        const made = planOn(writer, target)
        expect({ changes: made.changes, entries: made.entries, restored: made.restored }).toEqual({
          changes: expected.changes,
          entries: expected.entries,
          restored: expected.restored,
        })
        expect(made.kept).toEqual(expected.kept)
        expect(made.pointers.map(({ pointer }) => pointer)).toEqual([...expected.values.keys()])
        for (const { pointer, to } of made.pointers) expect(expected.values.get(pointer)).toContainEqual(to)
        seen.planned++
        seen.kept += made.kept.length
        seen.pointers += made.pointers.length
        seen.restored += made.restored.length
        writer.state.free()
      },
      RUNS,
    )
    for (const count of Object.values(seen)) comesUp(count, RUNS / 50)
  })

  test('[STP-4] is one change, changes what its plan says, and is undone by its own revert', () => {
    let undone = 0
    let restored = 0
    holds(
      runs,
      plan => {
        const { changes } = play(plan)
        const writer = writerOn(changes)
        const { set, state } = writer
        const before = { shown: shown(writer), state: state.read() }
        // Reverts that ran beside each other may have left a pointer to whoever won.
        const settled =
          findConflicts(set, set.view('main'), state).length === 0 &&
          changes.every(({ header }) => header.notes.reverts === undefined)
        const target = targetOf(changes, plan.target)
        const made = outcome(writer, target)
        if (typeof made === 'string') return
        expect(set.size).toBe(changes.length)
        const change = carryOut(writer, made)
        expect(set.size).toBe(changes.length + 1)
        expect(shown(writer).toSorted()).toEqual(
          [...before.shown.filter(id => !made.entries.includes(id)), ...made.restored].sort(),
        )
        const rest = (json: object): object =>
          Object.fromEntries(
            Object.entries(json).filter(
              ([key]) => !made.pointers.some(({ pointer }) => pointer === `/${key}`),
            ),
          )
        expect(rest(state.read())).toEqual(rest(before.state))
        for (const { pointer, from, to } of made.pointers) {
          expect(before.state[pointer.slice(1)]).toEqual(from)
          expect(state.read()[pointer.slice(1)]).toEqual(to)
        }
        carryOut(writer, planOn(writer, { change: change.id }))
        expect(shown(writer)).toEqual(before.shown)
        if (settled) expect(state.read()).toEqual(before.state)
        if (settled) restored++
        undone++
        state.free()
      },
      Math.ceil(RUNS / 2),
    )
    comesUp(undone, RUNS / 10)
    comesUp(restored, RUNS / 50)
  })

  test('[STP-4] [CHG-4] is planned and shown alike in every order of arrival, lists and nested state too', () => {
    let planned = 0
    holds(
      fc.tuple(histories({ steps_max: 30, edits: true }), deliveries, nat, nat),
      ([{ changes }, delivery, first, second]) => {
        const writer = writerOn(changes)
        tryRevert(writer, targetOf(changes, first))
        const all = writer.set.changes()
        const elsewhere = new BranchWriter(deliver(all, delivery), seededHost(0x7f000002), 'main', 'other')
        expect(shown(elsewhere)).toEqual(shown(writer))
        const target = targetOf(all, second)
        const here = outcome(writer, target)
        expect(outcome(elsewhere, target)).toEqual(here)
        if (typeof here === 'object') {
          planned++
          const before = writer.state.read()
          carryOut(writer, here)
          expect(writer.state.read()).toEqual(withPointers(before, here.pointers))
        }
        writer.state.free()
        elsewhere.state.free()
      },
      250,
    )
    comesUp(planned, 62)
  })
})

/** Two agents on one branch of one replica, one after the other, so that all is in one line. */
function pair(): { a: BranchWriter; b: BranchWriter } {
  const set = new ChangeSet(sha256)
  const host = seededHost(3)
  return { a: new BranchWriter(set, host, 'main', 'ada'), b: new BranchWriter(set, host, 'main', 'bob') }
}

const note = { entries: [{ kind: 'note', value: 'n' }] }

test('[STP-4] gives a nested pointer back what others had made of it, and drops no sibling', () => {
  const { a, b } = pair()
  b.write({ state: { plan: { x: 1, y: 1 } } })
  a.write({ state: { plan: { x: 1, y: 9 } } })
  b.write({ state: { plan: { x: 2, y: 9 } } })
  a.write({ state: { plan: 'gone' } })
  const plan = planOn(a, { actor: a.actor })
  expect(plan.pointers).toEqual([{ pointer: '/plan', from: 'gone', to: { x: 2, y: 1 } }])
  expect(plan.kept).toEqual([])
})

test('[STP-4] takes an item out of a list unless others have edited the list since', () => {
  const { a, b } = pair()
  b.write({ state: { list: ['one'] } })
  const added = a.write({ state: { list: ['one', 'two'] } })!
  expect(planOn(b, { change: added.id }).pointers).toEqual([
    { pointer: '/list', from: ['one', 'two'], to: ['one'] },
  ])
  const since = b.write({ state: { list: ['one', 'two', 'three'] } })!
  expect(planOn(b, { change: added.id })).toMatchObject({
    pointers: [],
    kept: [{ pointer: '/list', by: [since.id] }],
  })
  const further = a.write({ state: { list: ['one', 'two', 'three', 'four'] } })!
  expect(planOn(b, { changes: [added.id, further.id] })).toMatchObject({
    pointers: [],
    kept: [{ pointer: '/list', by: [since.id] }],
  })
  expect(planOn(b, { change: further.id }).pointers).toMatchObject([{ to: ['one', 'two', 'three'] }])
})

test('[STP-4] makes no map of a list that was replaced by one: what others wrote to its items is kept', () => {
  const { a, b } = pair()
  const made = b.write({ state: { list: ['one', 'two'] } })!
  a.write({ state: { list: ['eins', 'two'] } })
  const edited = b.write({ state: { list: ['eins', 'zwei'] } })!
  const replaced = a.write({ state: { list: { 0: 'map' } } })!
  expect(planOn(b, { actor: a.actor })).toMatchObject({
    pointers: [],
    kept: [{ pointer: '/list', by: [made.id, edited.id] }],
  })
  expect(planOn(b, { change: replaced.id }).pointers).toMatchObject([{ to: ['eins', 'zwei'] }])
  const within = b.write({ state: { list: { 0: 'map', 1: 'more' } } })!
  const gone = a.write({ state: {} })!
  expect(planOn(b, { changes: [replaced.id, gone.id] })).toMatchObject({
    pointers: [],
    kept: [{ pointer: '/list' }],
  })
  expect(planOn(b, { changes: [replaced.id, within.id, gone.id] }).pointers).toMatchObject([
    { to: ['eins', 'zwei'] },
  ])
})

test('[STP-4] the steps of one agent can be undone from the last to the first', () => {
  const { a, b } = pair()
  b.write({ state: { format: 'text' } })
  const first = a.write({ state: { format: 'json' } })!
  const last = a.write({ state: { format: 'yaml' } })!
  carryOut(b, planOn(b, { change: last.id }))
  expect(b.state.read()).toEqual({ format: 'json' })
  const revert = carryOut(b, planOn(b, { change: first.id }))
  expect(b.state.read()).toEqual({ format: 'text' })
  carryOut(b, planOn(b, { change: revert.id }))
  expect(b.state.read()).toEqual({ format: 'json' })
})

test('[STP-4] has no effect on a branch that does not see it', () => {
  const { a } = pair()
  const written = a.write(note)!
  a.fork(['draft'])
  carryOut(a, planOn(a, { change: written.id }))
  const { set } = a
  expect(set.entries(set.view('main'))).toEqual([])
  expect(set.entries(set.view('main'), { reverted: true })).toHaveLength(1)
  expect(set.entries(set.view('draft'))).toHaveLength(1)
  const draft = new BranchWriter(set, seededHost(4), 'draft', 'ada')
  const unseen = a.write(note)!
  expect(codeOf(() => planOn(draft, { change: unseen.id }))).toBe('WEFT_CHANGE_UNKNOWN')
})

test('[STP-4] by a range of the log and by a blast radius', () => {
  const { a } = pair()
  const index = new CommitIndex()
  const source = a.write(note)!
  const derived = a.write({ ...note, reads: [{ ref: 'ext:doc/1', version: 'v1' }] })!
  const further = a.write({ ...note, reads: [{ ref: `entry:${derived.id}.0` }] })!
  for (const [at, { id }] of [source, derived, further].entries()) index.record(at + 1, id)
  expect(planOn(a, { from: 1, to: 2 }, index).changes).toEqual([source.id, derived.id])
  expect(planOn(a, { blastRadius: 'ext:doc/1' }).changes).toEqual([derived.id, further.id])
})

test('[STP-4] refuses what is no target, by code', () => {
  const { a } = pair()
  const index = new CommitIndex()
  const written = a.write(note)!
  const fork = a.fork(['draft'])
  index.record(1, written.id)
  const refused = (target: RevertTarget): string | undefined => codeOf(() => planOn(a, target, index))
  expect(refused({ changes: [] })).toBe('WEFT_REVERT_NOTHING')
  expect(refused({ change: fork.id })).toBe('WEFT_REVERT_NOTHING')
  expect(refused({ actor: 'f'.repeat(32) })).toBe('WEFT_REVERT_NOTHING')
  expect(refused({ actor: 'nobody' })).toBe('WEFT_REVERT_NOTHING')
  expect(refused({ blastRadius: 'ext:doc/1' })).toBe('WEFT_REVERT_NOTHING')
  expect(refused({ change: 'f'.repeat(64) })).toBe('WEFT_CHANGE_UNKNOWN')
  expect(refused({ changes: [written.id, 'no id'] })).toBe('WEFT_CHANGE_UNKNOWN')
  expect(refused({ blastRadius: 'doc/1' })).toBe('WEFT_REF_INVALID')
  for (const [from, to] of [
    [0, 1],
    [1, 2],
    [2, 1],
    [1, Number.NaN],
  ] as const) {
    expect(refused({ from, to })).toBe('WEFT_POSITION_UNKNOWN')
  }
  carryOut(a, planOn(a, { change: written.id }))
  expect(refused({ change: written.id })).toBe('WEFT_REVERT_ALREADY')
})

test('[STP-4] [CHG-5] a header with reverts that are no hashes is refused', () => {
  const host = seededHost(1)
  const seal = (reverts: unknown): Change =>
    sealChange(
      {
        actor: 'a'.repeat(32),
        seq: 1,
        lamport: 1,
        time: 1,
        branch: 'main',
        agent: 'ada',
        deps: new Uint8Array(0),
        kinds: [],
        values: [],
        state: null,
        writes: [],
        reads: [],
        notes: { reverts } as { reverts: Uint8Array },
      },
      host,
    )
  expect(seal(fromHex('ab'.repeat(32))).header.notes.reverts).toHaveLength(32)
  for (const bad of ['text', new Uint8Array(0), new Uint8Array(31), new Uint8Array(64)]) {
    expect(codeOf(() => seal(bad))).toBe('WEFT_CHANGE_TOO_LARGE')
  }
})

test('[STP-4] a change cannot revert what its author had not seen', () => {
  const { a } = pair()
  const seen = a.write(note)!
  const stranger = new BranchWriter(a.set, seededHost(5), 'main', 'eve')
  const forged = stranger.write({ notes: { reverts: fromHex(seen.id) }, at: [] })!
  expect(a.set.reverts.namedBy(a.set.dag.node(forged.id))).toEqual([])
  expect(a.set.entries(a.set.view('main'))).toHaveLength(1)
})
