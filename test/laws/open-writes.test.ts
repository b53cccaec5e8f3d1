import {
  type Change,
  type ChangeId,
  ChangeSet,
  encodeUtf8,
  findConflicts,
  findResolutions,
  type Json,
  lastWriters,
  pointersOf,
  pointersTouch,
  type StateDoc,
  sealChange,
  stateRef,
  type View,
} from '@weft/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packed } from '../support/core-forge.ts'
import { replicaOf } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { comesUp, hexSha256, holds, pick, pickSome, seededHost, sha256 } from '../support/core-property.ts'

/** Pointers above and below one another, some alike but for a separator, an escape or an empty key. */
const POINTERS = [
  ...['', '/', '/a', '/a/b', '/a/b/c', '/a/b/d', '/a/c', '/ab', '/a~1b', '/a~1b/c', '/a~0b', '/a/', '/a//b'],
  ...['/l', '/l/-', '/l/-/x', '/l/0', '/x/y', '/x/y/z', '/x/y/z/1/2/3', '/x/w/z'],
]

interface Plan {
  /** Of all pointers, those that are written: few, so that writes meet. */
  readonly pointers: number
  readonly values: number
  readonly steps: readonly {
    readonly actor: number
    /** So many changes back; undefined for all that nothing depends on yet. */
    readonly deps: readonly number[] | undefined
    readonly branch: number
    readonly writes: readonly number[]
  }[]
}

const plans: fc.Arbitrary<Plan> = fc.record({
  pointers: fc.nat(2 ** POINTERS.length - 1),
  values: fc.integer({ min: 2, max: 4 }),
  steps: fc.array(
    fc.record({
      // Beyond the first few every step has an actor of its own.
      actor: fc.oneof(fc.nat(3), fc.integer({ min: 4, max: 1000 })),
      deps: fc.option(fc.array(fc.nat(7), { maxLength: 3 }), { nil: undefined, freq: 2 }),
      branch: fc.nat(2),
      writes: fc.array(fc.nat(255), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 30, size: 'max' },
  ),
})

/** The changes of a plan, deps first. They write pointers and hold no state: what was written, `valueAfter` says. */
function changesOf({ pointers, steps }: Plan): Change[] {
  const host = seededHost(pointers)
  const written = [...pickSome(POINTERS, pointers), '/a/b']
  const changes: Change[] = []
  const last = new Map<string, Change>()
  const heads = new Set<Change>()
  for (const { actor: number, deps: back, branch, writes } of steps) {
    const actor = number.toString(16).padStart(32, '0')
    const previous = last.get(actor)
    const deps = new Set([
      ...(changes.length === 0 ? [] : (back?.map(at => pick(changes.slice(-8), at)) ?? heads)),
      ...(previous ? [previous] : []),
    ])
    const change = sealChange(
      {
        actor,
        seq: (previous?.header.seq ?? 0) + 1,
        lamport: 1 + Math.max(0, ...[...deps].map(({ header }) => header.lamport)),
        time: changes.length,
        branch: pick(['main', 'x', 'y'], branch),
        agent: 'any',
        deps: packed([...deps].map(({ id }) => id)),
        kinds: ['plain'],
        values: [0],
        state: null,
        writes: writes.map(index => stateRef(pick(written, index))),
        reads: [],
        notes: {},
      },
      host,
    )
    last.set(actor, change)
    changes.push(change)
    for (const dep of deps) heads.delete(dep)
    heads.add(change)
  }
  return changes
}

/** What a change wrote at a pointer: often what others did, sometimes nothing. */
function valueAfter(change: ChangeId, pointer: string, values: number): Json | undefined {
  const value = Number.parseInt(hexSha256(encodeUtf8(change + pointer)).slice(0, 2), 16) % values
  return value === 0 ? undefined : value
}

function stateOf(set: ChangeSet, values: number): StateDoc {
  const readAfter = (node: number, pointer: string) => valueAfter(set.dag.id(node), pointer, values)
  return { read: () => ({}), readAfter } as Partial<StateDoc> as StateDoc
}

interface Told {
  readonly pointer: string
  readonly values: string[]
}

/** Conflicts by their definition: each pointer with the writes that disagree there. */
function conflictsIn(changes: readonly Change[], oracle: Oracle, values: number): Told[] {
  const all = changes.flatMap(({ id, header }) =>
    [...new Set(pointersOf(header.writes))].map(pointer => ({ pointer, id })),
  )
  const covers = (above: string, below: string) => above === below || below.startsWith(`${above}/`)
  const open = all.filter(
    write =>
      !all.some(later => covers(later.pointer, write.pointer) && oracle.isAncestor(write.id, later.id)),
  )
  return [...new Set(open.map(({ pointer }) => pointer))].sort().flatMap(pointer => {
    const own = open.filter(write => write.pointer === pointer)
    const below = open.filter(write => covers(pointer, write.pointer) && write.pointer !== pointer)
    const contest = (a: { id: ChangeId }, b: { id: ChangeId }) => oracle.concurrent(a.id, b.id)
    const writes = [
      ...own.filter(
        write =>
          below.some(other => contest(write, other)) ||
          // Insertions into a list both stay.
          (!pointer.endsWith('/-') && own.some(other => contest(write, other))),
      ),
      ...below.filter(write => own.some(other => contest(write, other))),
    ].map(write => {
      const shown = write.pointer.replace(/\/-$/, '')
      return { at: shown, id: write.id, value: valueAfter(write.id, shown, values) }
    })
    const agreed = writes.every(({ at, value }) => at === writes[0]!.at && value === writes[0]!.value)
    return agreed ? [] : [{ pointer, values: writes.map(({ at, id }) => `${id} ${at}`).sort() }]
  })
}

const visibleIn = (changes: readonly Change[], set: ChangeSet, view: View) =>
  changes.filter(({ id }) => view.has(set.dag.find(id)))

test('[MRG-2] a view that grows tells at any time the conflicts that the writes it shows are in', () => {
  let open = 0
  holds(
    plans,
    plan => {
      const changes = changesOf(plan)
      const oracle = new Oracle(changes)
      const set = new ChangeSet(sha256)
      const state = stateOf(set, plan.values)
      for (const change of changes) {
        set.add(change)
        const view = set.view(change.header.branch)
        const told = findConflicts(set, view, state).map(({ pointer, values }) => ({
          pointer,
          values: values.map(value => `${value.change} ${value.pointer}`).sort(),
        }))
        expect(told).toEqual(conflictsIn(visibleIn(changes, set, view), oracle, plan.values))
        open += told.length
      }
    },
    200,
  )
  comesUp(open, 666)
})

test('[MRG-2] a change closed the conflicts that its past shows and its past with it does not', () => {
  let closed = 0
  holds(
    plans,
    plan => {
      const changes = changesOf(plan)
      const oracle = new Oracle(changes)
      const set = replicaOf(changes)
      const expected = changes.flatMap(change => {
        const past = changes.filter(({ id }) => oracle.isAncestor(id, change.id))
        const left = new Set(
          conflictsIn([...past, change], oracle, plan.values).map(({ pointer }) => pointer),
        )
        return conflictsIn(past, oracle, plan.values)
          .filter(({ pointer }) => !left.has(pointer))
          .map(told => ({ change: change.id, ...told }))
      })
      const found = findResolutions(set, set.everything(), stateOf(set, plan.values))
      const told = found.map(({ change, pointer, settled }) => ({
        change,
        pointer,
        values: settled.map(value => `${value.change} ${value.pointer}`).sort(),
      }))
      const byPlace = (all: typeof told) => all.map(each => JSON.stringify(each)).sort()
      expect(byPlace(told)).toEqual(byPlace(expected))
      closed += told.length
    },
    200,
  )
  comesUp(closed, 200)
})

test('[DUR-6] the last writers of a pointer are those of its writers that no other one has in its past', () => {
  holds(plans, plan => {
    const changes = changesOf(plan)
    const oracle = new Oracle(changes)
    const set = replicaOf(changes)
    for (const pointer of POINTERS) {
      const writers = changes.filter(({ header }) =>
        pointersOf(header.writes).some(written => pointersTouch(written, pointer)),
      )
      const expected = oracle.maximal(writers.map(({ id }) => id)).sort()
      expect(lastWriters(set, set.everything(), pointer)).toEqual(expected)
    }
  })
})
