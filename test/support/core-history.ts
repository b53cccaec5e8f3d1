import {
  BranchWriter,
  type BranchName,
  type Change,
  type ChangeId,
  ChangeSet,
  type Conflict,
  findConflicts,
  type Host,
  Intake,
  type Json,
  type JsonObject,
  StateDoc,
  type Write,
} from '@weft/core'
import fc from 'fast-check'
import { pick, pickSome, seededDice, seededHost, sha256, shuffled } from './core-property.ts'

/**
 * Random histories of several replicas that write, fork, merge and sync a part of what they know: the one generator
 * of causal graphs for all law tests. A history is a plan of plain numbers, so that fast-check can shrink it, and
 * everything else (actors, salts, ids) follows from the plan.
 */
export interface HistoryPlan {
  readonly seed: number
  readonly replicas: number
  readonly steps: readonly Step[]
}

export type Step =
  | { readonly do: 'append'; readonly writer: number; readonly entries: number }
  /** Overlaps: depends on any one older change instead of what the branch shows. */
  | { readonly do: 'overlap'; readonly writer: number; readonly on: number }
  | { readonly do: 'edit'; readonly writer: number; readonly edits: readonly Edit[] }
  /** Names a pointer as written and leaves its value: how a conflict's winner is kept. */
  | { readonly do: 'keep'; readonly writer: number; readonly pointer: number }
  | { readonly do: 'fork'; readonly writer: number; readonly names: number }
  | { readonly do: 'merge'; readonly writer: number; readonly branches: number }
  /** One more actor on a branch that the replica knows. */
  | { readonly do: 'open'; readonly replica: number; readonly branch: number }
  /** `some` is a bit for each change, again and again: what is sent may be early, and then waits. */
  | { readonly do: 'sync'; readonly from: number; readonly to: number; readonly some: number }

/** What to do to the state at `path`; see `edited`. */
export interface Edit {
  readonly path: number
  readonly value: number
}

/** What an author saw right after a state change of its own. */
export interface Authored {
  readonly change: ChangeId
  readonly state: JsonObject
}

export interface History {
  /** All changes of all replicas, deps first. */
  readonly changes: readonly Change[]
  readonly authored: readonly Authored[]
  readonly host: Host
}

export interface HistoryShape {
  readonly steps_max: number
  readonly replicas_max?: number
  /** Whether state is edited too. It costs Automerge's time, so most histories go without. */
  readonly edits?: boolean
}

const number = fc.nat(255)
const ALL = 0xffff
const bits = fc.nat(ALL)
const mostlyAll = fc.oneof({ weight: 2, arbitrary: fc.constant(ALL) }, { weight: 1, arbitrary: bits })

export function histories({ steps_max, replicas_max = 3, edits = false }: HistoryShape) {
  const append = fc.record({
    do: fc.constant('append'),
    writer: number,
    entries: fc.integer({ min: 1, max: 3 }),
  })
  const overlap = fc.record({ do: fc.constant('overlap'), writer: number, on: number })
  const fork = fc.record({ do: fc.constant('fork'), writer: number, names: bits })
  const merge = fc.record({ do: fc.constant('merge'), writer: number, branches: bits })
  const open = fc.record({ do: fc.constant('open'), replica: number, branch: number })
  const sync = fc.record({ do: fc.constant('sync'), from: number, to: number, some: mostlyAll })
  const edit = fc.record({
    do: fc.constant('edit'),
    writer: number,
    edits: fc.array(fc.record({ path: number, value: number }), { minLength: 1, maxLength: 3 }),
  })
  const keep = fc.record({ do: fc.constant('keep'), writer: number, pointer: number })
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: edits ? 1 : 8, arbitrary: append },
    { weight: 1, arbitrary: overlap },
    { weight: edits ? 7 : 0, arbitrary: edit },
    { weight: edits ? 1 : 0, arbitrary: keep },
    { weight: 2, arbitrary: fork },
    { weight: 2, arbitrary: merge },
    { weight: 2, arbitrary: open },
    { weight: 4, arbitrary: sync },
  ) as fc.Arbitrary<Step>
  return fc
    .record({
      seed: fc.nat(),
      replicas: fc.integer({ min: 1, max: replicas_max }),
      steps: fc.array(step, { minLength: 1, maxLength: steps_max, size: 'max' }),
    })
    .map(plan => ({ ...playHistory(plan), [fc.toStringMethod]: () => JSON.stringify(plan) }))
}

export function playHistory(plan: HistoryPlan): History {
  const world = new World(plan)
  try {
    for (const step of plan.steps) world.play(step)
    return world.history()
  } finally {
    world.close()
  }
}

interface Replica {
  readonly set: ChangeSet
  readonly intake: Intake
}

const FORK_NAMES: readonly BranchName[] = ['a', 'b', 'c', 'd', 'e']

class World {
  readonly #host: Host
  readonly #replicas: Replica[]
  readonly #writers: BranchWriter[] = []
  readonly #authored: Authored[] = []
  #entries = 0

  constructor(plan: HistoryPlan) {
    this.#host = seededHost(plan.seed)
    this.#replicas = Array.from({ length: plan.replicas }, () => {
      const set = new ChangeSet(sha256)
      return { set, intake: new Intake(set) }
    })
    for (const { set } of this.#replicas) this.#open(set, 'main')
  }

  play(step: Step): void {
    switch (step.do) {
      case 'append':
        this.#writer(step.writer).write({ entries: this.#newEntries(step.entries) })
        return
      case 'overlap': {
        const writer = this.#writer(step.writer)
        if (writer.set.size === 0) return
        writer.write({ entries: this.#newEntries(1), at: [step.on % writer.set.size] })
        return
      }
      case 'edit': {
        const writer = this.#writer(step.writer)
        this.#author(writer, { state: step.edits.reduce(edited, writer.state.read()) })
        return
      }
      case 'keep':
        this.#author(this.#writer(step.writer), {
          touches: [pick(['/plan', '/plan/a', '/tone'], step.pointer)],
        })
        return
      case 'fork': {
        const writer = this.#writer(step.writer)
        const names = pickSome(FORK_NAMES, step.names).filter(name => !writer.set.branches.has(name))
        if (names.length === 0) return
        writer.fork(names)
        this.#open(writer.set, names[0]!)
        return
      }
      case 'merge': {
        const writer = this.#writer(step.writer)
        const others = writer.set.branches.names().filter(name => name !== writer.branch)
        writer.merge(pickSome(others, step.branches))
        return
      }
      case 'open': {
        const { set } = pick(this.#replicas, step.replica)
        this.#open(set, pick(set.branches.names(), step.branch))
        return
      }
      case 'sync': {
        const to = pick(this.#replicas, step.to)
        const known = pick(this.#replicas, step.from).set.changes()
        const sent = known.filter((_, index) => (step.some >>> (index % 16)) & 1)
        for (const change of sent.toReversed()) to.intake.receive(change)
      }
    }
  }

  history(): History {
    const all = new ChangeSet(sha256)
    for (const { set } of this.#replicas) for (const change of set.changes()) all.add(change)
    return { changes: all.changes(), authored: this.#authored, host: this.#host }
  }

  close(): void {
    for (const writer of this.#writers) writer.state.free()
  }

  #open(set: ChangeSet, branch: BranchName): void {
    const agent = `agent-${this.#writers.length % 3}`
    this.#writers.push(new BranchWriter(set, this.#host, branch, agent))
  }

  #writer(number: number): BranchWriter {
    return pick(this.#writers, number)
  }

  #author(writer: BranchWriter, write: Write): void {
    const change = writer.write(write)
    if (change) this.#authored.push({ change: change.id, state: writer.state.read() })
  }

  #newEntries(count: number): { kind: string; value: Json }[] {
    return Array.from({ length: count }, () => {
      const n = this.#entries++
      return { kind: n % 2 === 0 ? 'message' : 'decision', value: { n } }
    })
  }
}

/** The state with one edit made: a few keys only, so that authors meet; among them a parent and its children. */
function edited(state: JsonObject, { path, value }: Edit): JsonObject {
  const plan = state.plan
  switch (path % 8) {
    case 0:
      return { ...state, plan: pick<Json>([{ a: value }, value, { a: { deep: value }, b: 0 }], value) }
    case 1:
      return { ...state, plan: { ...asObject(plan), a: value } }
    case 2:
      return { ...state, plan: { ...asObject(plan), b: { deep: value } } }
    case 3:
      return without(state, 'plan')
    case 4:
      return { ...state, list: [...asList(state.list), value] }
    case 5:
      return { ...state, list: asList(state.list).map((item, index) => (index === 0 ? value : item)) }
    case 6:
      return without(state, 'tone')
    default:
      return { ...state, tone: value % 4 }
  }
}

function asObject(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
}

function asList(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}

function without(state: JsonObject, key: string): JsonObject {
  return Object.fromEntries(Object.entries(state).filter(([other]) => other !== key))
}

/** How changes come to a replica: shuffled, some twice or more, read after every so many. */
export interface Delivery {
  readonly seed: number
  readonly repeats: number
  readonly batch: number
}

export const deliveries: fc.Arbitrary<Delivery> = fc.record({
  seed: fc.nat(),
  repeats: fc.nat(5),
  batch: fc.integer({ min: 1, max: 20 }),
})

/** A new replica that was given these changes that way; it reads its order in between, as a live one does. */
export function deliver(changes: readonly Change[], { seed, repeats, batch }: Delivery): ChangeSet {
  const dice = seededDice(seed)
  const again =
    changes.length === 0 ? [] : Array.from({ length: repeats }, () => pick(changes, dice(2 ** 31)))
  const set = new ChangeSet(sha256)
  const intake = new Intake(set)
  for (const [index, change] of shuffled([...changes, ...again], dice).entries()) {
    intake.receive(change)
    if (index % batch === 0) set.everything().flatten()
  }
  return set
}

/** A replica that was given these changes in the order they stand in, deps first. */
export function replicaOf(changes: readonly Change[]): ChangeSet {
  const set = new ChangeSet(sha256)
  for (const change of changes) set.add(change)
  return set
}

/** The state that a view shows, of all that is in a set if nothing else is said, to whoever has just come. */
export function stateOf(set: ChangeSet, view = set.everything()): JsonObject {
  const state = new StateDoc(set, view)
  try {
    return state.read()
  } finally {
    state.free()
  }
}

/** The open conflicts of all that is in a set. */
export function conflictsOf(set: ChangeSet): Conflict[] {
  const state = new StateDoc(set, set.everything())
  try {
    return findConflicts(set, set.everything(), state)
  } finally {
    state.free()
  }
}
