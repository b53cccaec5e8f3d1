import {
  BranchWriter,
  type Change,
  ChangeSet,
  type ContextDefinition,
  defineContext,
  genesis,
  type JsonObject,
  migrationOf,
  StateDoc,
} from '@weft/core'
import fc from 'fast-check'
import { z } from 'zod'
import { pick, seededDice, seededHost, sha256, shuffled } from './core-property.ts'

const V1 = z.object({ title: z.string(), count: z.number(), tags: z.record(z.string(), z.number()) })
const V2 = V1.omit({ title: true }).extend({
  name: z.string(),
  constraints: z.record(z.string(), z.string()),
})
const V3 = V2.extend({ done: z.boolean() })

/** Renames `title`, adds a container, leaves `count` and `tags` alone. */
const toV2 = ({ title, ...old }: JsonObject): JsonObject => ({ ...old, name: `<${title}>`, constraints: {} })
const toV3 = (old: JsonObject): JsonObject => ({ ...old, done: false })

const initial = { title: 'draft', count: 0, tags: {} }

/** One context at three versions of its schema, by version. */
export const [First, Second, Third] = [
  defineContext({ name: 'report', version: 1, state: V1, initial, entries: {} }),
  defineContext({
    name: 'report',
    version: 2,
    state: V2,
    initial: toV2(initial) as z.input<typeof V2>,
    entries: {},
    migrations: { 2: toV2 },
  }),
  defineContext({
    name: 'report',
    version: 3,
    state: V3,
    initial: toV3(toV2(initial)) as z.input<typeof V3>,
    entries: {},
    migrations: { 2: toV2, 3: toV3 },
  }),
] as readonly ContextDefinition[] as readonly [ContextDefinition, ContextDefinition, ContextDefinition]

/** What a worker does on one replica, without a network. */
export class Worker {
  readonly set: ChangeSet
  readonly #host: ReturnType<typeof seededHost>

  constructor(seed: number, changes: readonly Change[] = []) {
    this.set = new ChangeSet(sha256)
    this.#host = seededHost(seed)
    this.take(changes)
  }

  /** Takes in changes, in any order. */
  take(changes: readonly Change[]): this {
    for (let left = changes; left.length > 0; ) {
      const ready = left.filter(({ header }) => this.set.dag.missingDeps(header).length === 0)
      for (const change of ready) this.set.add(change)
      if (ready.length === 0) throw new Error('some changes lack their deps')
      left = left.filter(change => !ready.includes(change))
    }
    return this
  }

  /** Migrates a branch as a worker of that version that opens it; returns what it wrote. */
  open(definition: ContextDefinition, branch = 'main'): Change[] {
    const written: Change[] = []
    const next = (): Change | undefined => migrationOf(this.set, definition, branch, sha256)
    for (let change = next(); change; change = next()) {
      this.set.add(change)
      written.push(change)
    }
    return written
  }

  /** Edits the state of a branch as a worker of that version; throws where that would be refused. */
  edit(
    definition: ContextDefinition,
    edit: (state: JsonObject) => JsonObject,
    branch = 'main',
  ): Change | undefined {
    this.open(definition, branch)
    if (this.set.size === 0) this.set.add(genesis(definition, sha256)!)
    const writer = this.writer(definition, branch)
    try {
      return writer.write({ state: edit(writer.state.read()) })
    } finally {
      writer.state.free()
    }
  }

  writer({ name, version }: ContextDefinition, branch = 'main'): BranchWriter {
    return new BranchWriter(this.set, this.#host, branch, `v${version}`, undefined, { name, version })
  }

  /** What a branch is at. */
  version(branch = 'main'): number | undefined {
    return this.set.schemas.at(this.set.branches.heads(branch))[0]?.version
  }

  state(branch = 'main'): JsonObject {
    const document = new StateDoc(this.set, this.set.view(branch))
    try {
      return document.read()
    } finally {
      document.free()
    }
  }
}

export interface Edit {
  readonly key: 'title' | 'count' | 'tags'
  readonly value: number
}

/** One edit, in the words of whichever version the state is at. */
export function edited(state: JsonObject, { key, value }: Edit): JsonObject {
  if (key === 'count') return { ...state, count: value }
  if (key === 'tags') return { ...state, tags: { ...(state.tags as JsonObject), [`t${value % 3}`]: value } }
  return 'title' in state ? { ...state, title: `t${value}` } : { ...state, name: `n${value}` }
}

export type Act =
  | { readonly do: 'edit'; readonly worker: number; readonly edit: Edit }
  | { readonly do: 'migrate'; readonly worker: number }
  | { readonly do: 'sync'; readonly from: number; readonly to: number; readonly seed: number }

export function acts(keys: readonly Edit['key'][]): fc.Arbitrary<readonly Act[]> {
  const worker = fc.nat(2)
  const edit = fc.record({ key: fc.constantFrom(...keys), value: fc.nat(9) })
  return fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('edit' as const), worker, edit }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('migrate' as const), worker }) },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant('sync' as const), from: worker, to: worker, seed: fc.nat() }),
      },
    ),
    { minLength: 1, maxLength: 14 },
  )
}

/** Three workers on three replicas of one context that has begun at version 1. */
export function begin(): [Worker, Worker, Worker] {
  const first = genesis(First, sha256)!
  return [new Worker(0, [first]), new Worker(1, [first]), new Worker(2, [first])]
}

/** Everything that one of the workers knows, given to another. */
export function sync(workers: readonly Worker[], { from, to, seed }: Act & { do: 'sync' }): void {
  const sent = pick(workers, from).set.changes()
  pick(workers, to).take(shuffled(sent, seededDice(seed)))
}

/** All that the workers know between them, given to each in an order of its own. */
export function syncAll(workers: readonly Worker[], seed = 1): void {
  const all = new Map(workers.flatMap(({ set }) => set.changes()).map(change => [change.id, change]))
  workers.forEach((worker, index) => {
    worker.take(shuffled([...all.values()], seededDice(seed + index)))
  })
}

/** Workers of version 1 until each migrates, or receives a migration: then it is replaced by one of version 2. */
export function play(plan: readonly Act[]): [Worker, Worker, Worker] {
  const workers = begin()
  for (const act of plan) {
    if (act.do === 'sync') sync(workers, act)
    else if (act.do === 'migrate') pick(workers, act.worker).open(Second)
    else {
      const worker = pick(workers, act.worker)
      worker.edit(worker.version() === 2 ? Second : First, state => edited(state, act.edit))
    }
  }
  return workers
}
