import { BranchWriter, type ChangeId, ChangeSet, type FlattenOrder, type View } from '@weft/core'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { deliver, deliveries, histories, replicaOf } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { holds, pick, seededHost, sha256, shuffled, seededDice } from '../support/core-property.ts'

const ORDERS: readonly FlattenOrder[] = ['branches', 'interleaved']

function flattened(set: ChangeSet, view: View = set.everything(), order?: FlattenOrder): ChangeId[] {
  return [...view.flatten(order)].map(node => set.dag.id(node))
}

test('[ORD-1] nothing comes before what it depends on, in either order, on any branch', () => {
  holds(fc.tuple(histories({ steps_max: 80 }), deliveries), ([{ changes }, delivery]) => {
    const set = deliver(changes, delivery)
    for (const view of [set.everything(), ...set.branches.names().map(name => set.view(name))]) {
      for (const order of ORDERS) {
        const ids = flattened(set, view, order)
        const place = new Map(ids.map((id, index) => [id, index]))
        const early = ids.filter(id =>
          set.change(set.dag.node(id)).header.deps.some(dep => !(place.get(dep)! < place.get(id)!)),
        )
        expect(early).toEqual([])
      }
    }
  })
})

test('[ORD-1] what the graph calls the past of a change is what can be reached from it', () => {
  holds(fc.tuple(histories({ steps_max: 80 }), deliveries), ([{ changes }, delivery]) => {
    const { dag } = deliver(changes, delivery)
    const oracle = new Oracle(changes)
    const { ids } = oracle
    const wrong = ids.flatMap(a =>
      ids.filter(b => dag.isAncestor(dag.node(a), dag.node(b)) !== oracle.isAncestor(a, b)).map(b => [a, b]),
    )
    expect(wrong).toEqual([])
  })
})

test('[ORD-2] the order is the one that its definition gives, however the changes came', () => {
  holds(
    fc.tuple(histories({ steps_max: 80 }), deliveries),
    ([{ changes }, delivery]) => {
      const set = deliver(changes, delivery)
      const oracle = new Oracle(changes)
      expect(flattened(set)).toEqual(oracle.flattened())
      expect(flattened(set, set.everything(), 'interleaved')).toEqual(oracle.interleaved())
    },
    500,
  )
})

test('[ORD-2] two changes come in the same order whatever else is visible', () => {
  holds(fc.tuple(histories({ steps_max: 80 }), deliveries), ([{ changes }, delivery]) => {
    const set = deliver(changes, delivery)
    const all = flattened(set)
    for (const name of set.branches.names()) {
      const view = set.view(name)
      expect(flattened(set, view)).toEqual(all.filter(id => view.has(set.dag.node(id))))
    }
  })
})

test('[ORD-2] comparing any two changes agrees with their places in the order', () => {
  holds(
    histories({ steps_max: 60 }),
    ({ changes }) => {
      const set = replicaOf(changes)
      const nodes = [...set.everything().flatten()]
      const wrong = nodes.flatMap((a, i) =>
        nodes.filter((b, j) => Math.sign(set.tree.compare(a, b)) !== Math.sign(i - j)).map(b => [a, b]),
      )
      expect(wrong).toEqual([])
    },
    60,
  )
})

/** A fork tree: what each step does, to one of the branches that are there. */
const forkTrees = fc.record({
  seed: fc.nat(),
  steps: fc.array(fc.record({ branch: fc.nat(), forks: fc.integer({ min: -3, max: 3 }) }), {
    maxLength: 30,
    size: 'max',
  }),
})

test('[ORD-2] branches come in the order in which they were forked, each in an unbroken run', () => {
  holds(fc.tuple(forkTrees, deliveries), ([{ seed, steps }, delivery]) => {
    const tree = new ForkTree(seed)
    for (const { branch, forks } of steps) tree.step(branch, forks)
    const expected = [...tree.expected('main'), ...tree.join()]
    expect(flattened(deliver(tree.set.changes(), delivery))).toEqual(expected)
  })
})

/** Forks and writes of which the order is plain: a branch's own changes, then the branches forked from it, in turn. */
class ForkTree {
  readonly set = new ChangeSet(sha256)
  readonly #host
  readonly #names: string[]
  readonly #writers = new Map<string, BranchWriter>()
  readonly #written = new Map<string, ChangeId[]>()
  readonly #forked = new Map<string, string[]>()

  constructor(seed: number) {
    this.#host = seededHost(seed)
    // Names say nothing about the order of forking.
    this.#names = shuffled(
      Array.from({ length: 100 }, (_, n) => `b${n}`),
      seededDice(seed),
    )
    this.#begin('main')
  }

  step(branch: number, forks: number): void {
    const name = pick([...this.#writers.keys()], branch)
    const writer = this.#writers.get(name)!
    if (forks <= 0) {
      this.#written.get(name)!.push(writer.write({ entries: [{ kind: 'message', value: forks }] })!.id)
      return
    }
    const names = this.#names.splice(0, forks)
    this.#written.get(name)!.push(writer.fork(names).id)
    this.#forked.get(name)!.push(...names)
    for (const forked of names) this.#begin(forked)
  }

  expected(name: string): ChangeId[] {
    return [...this.#written.get(name)!, ...this.#forked.get(name)!.flatMap(forked => this.expected(forked))]
  }

  /** Merges all branches and writes on. */
  join(): ChangeId[] {
    const writer = this.#writers.get('main')!
    const merge = writer.merge([...this.#writers.keys()].filter(name => name !== 'main'))
    return [merge.id, writer.write({ entries: [{ kind: 'message', value: 'after' }] })!.id]
  }

  #begin(name: string): void {
    this.#writers.set(name, new BranchWriter(this.set, this.#host, name, 'agent'))
    this.#written.set(name, [])
    this.#forked.set(name, [])
  }
}

test('[ORD-3] placing changes one by one gives what flattening anew gives', () => {
  holds(
    fc.tuple(histories({ steps_max: 300 }), fc.nat()),
    ([{ changes }, seed]) => {
      const dice = seededDice(seed)
      const live = new ChangeSet(sha256)
      const view = live.everything()
      for (const change of changes) {
        live.add(change)
        if (dice(4) > 0) view.flatten()
      }
      expect(flattened(live)).toEqual(flattened(live, live.viewAt(live.dag.heads)))
    },
    100,
  )
})

test('[ORD-3] adding one change to 20,000 costs a few comparisons, not a flattening', () => {
  const host = seededHost(1)
  const set = new ChangeSet(sha256)
  const main = new BranchWriter(set, host, 'main', 'agent')
  const names = Array.from({ length: 16 }, (_, n) => `b${n}`)
  main.fork(names)
  const writers = names.map(name => new BranchWriter(set, host, name, 'agent'))
  const write = (index: number) =>
    pick(writers, index).write({ entries: [{ kind: 'message', value: index }] })
  for (let i = 0; i < 20_000; i++) write(i)
  const view = set.everything()
  const compared = vi.spyOn(set.tree, 'compare')
  const visited = vi.spyOn(set.tree, 'parent')

  view.flatten()
  expect(visited.mock.calls.length).toBeGreaterThanOrEqual(set.size)

  for (let i = 0; i < 100; i++) {
    compared.mockClear()
    visited.mockClear()
    write(i * 7)
    view.flatten()
    expect(compared.mock.calls.length).toBeLessThanOrEqual(2 * Math.log2(set.size))
    expect(visited.mock.calls.length).toBeLessThanOrEqual(2)
  }
  expect(flattened(set)).toEqual(flattened(set, set.viewAt(set.dag.heads)))
})

test('[ORD-3] entries that are asked for at every turn are those of the order, and the same list while nothing comes', () => {
  holds(
    fc.tuple(histories({ steps_max: 60 }), fc.nat(3)),
    ([{ changes }, every]) => {
      const set = new ChangeSet(sha256)
      const kinds = (ids: readonly ChangeId[]): string[] =>
        ids.flatMap(id => set.change(set.dag.node(id)).header.kinds.map((_, index) => `${id}.${index}`))
      for (const [at, change] of changes.entries()) {
        set.add(change)
        if (at % (every + 1) !== 0) continue
        const views = [set.everything(), ...set.branches.names().map(name => set.view(name))]
        const shown: string[] = []
        const due: string[] = []
        let isKept = true
        for (const view of views) {
          for (const order of ORDERS) {
            const options = { order, reverted: true, engine: true }
            const entries = set.entries(view, options)
            shown.push(entries.map(({ id }) => id).join())
            due.push(kinds(flattened(set, view, order)).join())
            isKept &&= set.entries(view, options) === entries && Object.isFrozen(entries)
          }
        }
        expect(shown.join('\n')).toBe(due.join('\n'))
        expect(isKept).toBe(true)
      }
    },
    300,
  )
})
