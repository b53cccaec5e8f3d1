import { inspect } from 'node:util'
import { touches } from '@weft/core'
import fc from 'fast-check'
import { current, original, produce } from 'immer'
import { describe, expect, it } from 'vitest'
import { comesUp, holdsAsync } from '../support/core-property.ts'
import {
  type Act,
  type Board,
  Boards,
  boards,
  disturb,
  disturbances,
  recipes,
  run,
} from '../support/recipe-acts.ts'
import { planOn, replicas } from '../support/steps-peer.ts'

interface Outcome {
  readonly seen: string
  readonly wrote: ReadonlyMap<string, string>
}

/** What a recipe makes of a board: what it saw, and what it wrote where. */
function outcomeOf(board: Board, recipe: readonly Act[]): Outcome {
  const seen: unknown[] = []
  const wrote = new Map<string, string>()
  const after = produce(board, draft => run(recipe, draft, seen))
  compare(board, after, '', wrote)
  return { seen: JSON.stringify(seen), wrote }
}

/** Notes what is new: of a list which items, wherever they stand. */
function compare(before: unknown, after: unknown, place: string, wrote: Map<string, string>): void {
  if (JSON.stringify(before) === JSON.stringify(after)) return
  if (Array.isArray(before) && Array.isArray(after)) {
    const known = before.map(item => JSON.stringify(item))
    const items = after.map(item => JSON.stringify(item)).filter(item => !known.includes(item))
    wrote.set(place, items.sort().join())
  } else if (isMap(before) && isMap(after)) {
    for (const [key, item] of Object.entries(after)) compare(before[key], item, `${place}/${key}`, wrote)
  } else wrote.set(place, JSON.stringify(after))
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a recipe saw something else, or wrote something else to the same place. */
function differ(a: Outcome, b: Outcome): boolean {
  return a.seen !== b.seen || [...a.wrote].some(([place, value]) => (b.wrote.get(place) ?? value) !== value)
}

const STATE = {
  format: 'text',
  count: 0,
  plan: ['one', 'two'],
  constraints: { x: { v: 1, w: 2 }, q: ['b', 'a'], list: [{ n: 1 }, { n: 2 }] },
}

type State = {
  count: number
  plan: string[]
  constraints: typeof STATE.constraints & Record<string, unknown>
}
type Recipe = (state: State) => unknown

/** What recipes read of `STATE`, each in a step of its own. */
async function readsOf(recipes: readonly Recipe[]): Promise<[string, string[]][]> {
  const [replica] = await replicas(1)
  const context = await planOn(replica!, 'planner')
  const reads: [string, string[]][] = []
  for (const recipe of recipes) {
    context.change(() => STATE)
    const { entries } = await context.step('s', step => {
      step.change(recipe as never).append('decision', { text: 'done' })
    })
    reads.push([String(recipe), context.why(entries[0]!).reads.map(({ ref }) => ref)])
  }
  return reads
}

const expected = (of: readonly (readonly [Recipe, string[]])[]) =>
  of.map(([recipe, reads]) => [String(recipe), reads])

describe('what a step reads of the state that it changes', () => {
  it('[STL-1] is recorded: whatever would have changed what it did touches what it read, or wrote', async () => {
    const [replica] = await replicas(1)
    const open = (workflow: string) => replica!.open(Boards, { workflow, agent: 'a' })
    const [reader, writer] = [await open('reader'), await open('writer')]
    const recordOf = (context: typeof reader, change: string | undefined) =>
      [...context.audit()].find(each => each.change === change)
    let mattered = 0
    await holdsAsync(
      fc.tuple(boards, recipes, disturbances),
      async ([board, recipe, disturbance]) => {
        const write = (draft: Board): void => disturb(draft, disturbance)
        if (!differ(outcomeOf(board, recipe), outcomeOf(produce(board, write), recipe))) return
        mattered++
        for (const context of [reader, writer]) context.change(() => board)
        const written = recordOf(writer, writer.change(write).change)!.pointers
        const { change } = await reader.step('s', step => {
          step.change(draft => run(recipe, draft, []))
        })
        const { reads = [], pointers = [] } = recordOf(reader, change) ?? {}
        const own = pointers.map(pointer => ({ ref: `state:${pointer}` }))
        const told = written.some(pointer =>
          [...reads, ...own].some(ref => touches({ ref: `state:${pointer}` }, ref)),
        )
        expect(told, JSON.stringify({ written, reads, pointers })).toBe(true)
      },
      500,
    )
    comesUp(mattered, 50)
  })

  it('[STL-1] is recorded however it is looked at', async () => {
    const looks: readonly (readonly [Recipe, string[]])[] = [
      [s => void (s.count + s.constraints.x.v), ['state:/constraints/x/v', 'state:/count']],
      [s => void ('x' in s.constraints), ['state:/constraints/x']],
      [s => void ('y' in s.constraints), ['state:/constraints/y']],
      [s => void Object.hasOwn(s.constraints, 'x'), ['state:/constraints/x']],
      [s => void Object.getOwnPropertyDescriptor(s.constraints.x, 'v'), ['state:/constraints/x/v']],
      [s => void Object.keys(s.constraints), ['state:/constraints']],
      [s => void !!s.constraints.x, ['state:/constraints/x']],
      [s => void (s.constraints.x === s.constraints.y), ['state:/constraints/x', 'state:/constraints/y']],
      [s => void `${s.constraints.x}`, ['state:/constraints/x']],
      [s => void JSON.stringify(s.constraints.x), ['state:/constraints/x']],
      [s => void current(s.constraints.x), ['state:/constraints/x']],
      [s => void original(s.constraints.x)?.v, ['state:/constraints/x']],
      [s => void s.plan.indexOf('two'), ['state:/plan']],
      [s => void s.plan[1], ['state:/plan/1']],
      [s => void s.plan[2], ['state:/plan']],
      [s => void (2 in s.plan), ['state:/plan']],
    ]
    expect(await readsOf(looks.map(([look]) => look))).toEqual(expected(looks))
  })

  it('[STL-1] [STL-3] is recorded where a list has nothing: what is put there touches it', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    const { entries } = await context.step('s', step => {
      step.append('decision', { text: `${step.state.plan[0] ?? 'idle'} ${0 in step.state.plan}` })
    })
    expect(context.why(entries[0]!).reads).toEqual([{ ref: 'state:/plan' }])
    context.change(state => void state.plan.push('one'))
    expect(context.stale().map(({ entry }) => entry)).toEqual(entries)
  })

  it('[STL-1] is shown when it is printed, and recorded', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    context.change(state => void Object.assign(state, { plan: ['one'], constraints: { x: { v: 1 } } }))
    const { value, entries } = await context.step('s', step => {
      step.append('decision', { text: 'printed' })
      return inspect([step.state.plan, step.state.constraints.x])
    })
    expect(value).toBe("[ [ 'one' ], { v: 1 } ]")
    expect(context.why(entries[0]!).reads).toEqual([{ ref: 'state:/constraints/x' }, { ref: 'state:/plan' }])
  })

  it('[STL-1] is recorded when it is taken out, put elsewhere or put into another order', async () => {
    const acts: readonly (readonly [Recipe, string[]])[] = [
      [s => void s.constraints.q.shift(), ['state:/constraints/q']],
      [s => void s.constraints.q.pop(), ['state:/constraints/q']],
      [s => void s.constraints.q.splice(0, 1), ['state:/constraints/q']],
      [s => void s.constraints.q.sort(), ['state:/constraints/q']],
      [s => void s.constraints.q.reverse(), ['state:/constraints/q']],
      [s => void s.constraints.q.copyWithin(0, 1), ['state:/constraints/q']],
      [s => void s.constraints.q.fill('z'), ['state:/constraints/q']],
      [s => void Object.assign(s.constraints, { y: s.constraints.x }), ['state:/constraints/x']],
      [s => void Object.assign(s.constraints, { y: [s.constraints.x] }), ['state:/constraints/x']],
      [s => void s.constraints.list.push(s.constraints.x as never), ['state:/constraints/x']],
      [
        s => {
          const { x } = s.constraints
          if (x.v === 1) s.constraints.y = { within: x }
        },
        ['state:/constraints/x'],
      ],
      [
        s => {
          const { x } = s.constraints
          x.w = 3
          s.constraints.y = x
        },
        ['state:/constraints/x'],
      ],
      [
        s => {
          const kept: unknown[] = []
          const { x } = s.constraints
          s.constraints.y = kept
          if (x.v === 1) kept.push(x)
        },
        ['state:/constraints/x'],
      ],
      [s => ({ ...s, count: 1 }), ['state:']],
    ]
    expect(await readsOf(acts.map(([act]) => act))).toEqual(expected(acts))
  })

  it('[STL-1] is recorded of the state of the step too, when it is written', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    context.change(() => STATE)
    const { entries } = await context.step('s', step => {
      const { x, list } = step.state.constraints as State['constraints']
      step.change(state => {
        if (x.v === 1) state.constraints.y = [x]
        if (list[0]!.n === 1) state.constraints.z = list
      })
      step.append('decision', { text: 'done' })
    })
    expect(context.why(entries[0]!).reads.map(({ ref }) => ref)).toEqual([
      'state:/constraints/list',
      'state:/constraints/x',
    ])
  })

  it('[STL-1] is recorded where it was found, wherever it has been moved to', async () => {
    const moves: readonly (readonly [Recipe, string[]])[] = [
      [
        s => {
          const first = s.constraints.list[0]!
          s.constraints.list.unshift({ n: 0 })
          s.count = first.n
        },
        ['state:/constraints/list/0/n'],
      ],
      [
        s => {
          const { x } = s.constraints
          s.constraints.y = x
          delete (s.constraints as Record<string, unknown>).x
          s.count = (s.constraints.y as typeof x).v
        },
        ['state:/constraints/x'],
      ],
    ]
    expect(await readsOf(moves.map(([move]) => move))).toEqual(expected(moves))
  })

  it('[STL-1] what a step reads of a list after it has moved its items is read of all of it, and what it read before of the item', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    context.change(() => STATE)
    const readsAfter = async (move: Recipe) => {
      const { entries } = await context.step('s', step => {
        void step.state.plan[1]
        step.change(move as never)
        void (step.state as typeof STATE).constraints.list[0]!.n
        step.append('decision', { text: 'done' })
      })
      return context.why(entries[0]!).reads.map(({ ref }) => ref)
    }
    const moved = await readsAfter(state => void state.constraints.list.unshift({ n: 0 }))
    expect(moved).toEqual(['state:/constraints/list', 'state:/plan/1'])
    const pushed = await readsAfter(state => void state.constraints.list.push({ n: 0 }))
    expect(pushed).toEqual(['state:/constraints/list/0/n', 'state:/plan/1'])
  })

  it('[STL-1] [STL-3] which item stands behind those that were in a list before a step added to it is read of all of it', async () => {
    const looks: readonly ((state: State) => unknown)[] = [
      state => state.constraints.list[1]!.n,
      state => state.constraints.list[2]!.n,
    ]
    const added: Recipe = state => void state.constraints.list.push({ n: 3 })
    const reads = await Promise.all(
      looks.flatMap(look =>
        [false, true].map(async inRecipe => {
          const [replica] = await replicas(1)
          const context = await planOn(replica!, 'planner')
          context.change(() => STATE)
          const { entries } = await context.step('s', step => {
            step.change(added as never)
            if (inRecipe) step.change(((state: never) => void look(state)) as never)
            else look(step.state as never)
            step.append('decision', { text: 'done' })
          })
          return context.why(entries[0]!).reads.map(({ ref }) => ref)
        }),
      ),
    )
    const item = ['state:/constraints/list/1/n']
    const all = ['state:/constraints/list']
    expect(reads).toEqual([item, item, all, all])
  })

  it('[STL-1] what a step writes into an item that it put to the end of a list before is read of all of it', async () => {
    const [replica] = await replicas(1)
    const context = await planOn(replica!, 'planner')
    context.change(() => STATE)
    const { entries } = await context.step('s', step => {
      step.change(state => void (state.constraints as State['constraints']).list.push({ n: 3 }))
      step.change(state => {
        const last = (state.constraints as State['constraints']).list[2]
        if (last) last.n = 4
      })
      step.append('decision', { text: 'done' })
    })
    expect(context.why(entries[0]!).reads.map(({ ref }) => ref)).toEqual(['state:/constraints/list'])
  })

  it('[STL-1] which item stands where in a list that was added to is read of all of it', async () => {
    const looks: readonly (readonly [Recipe, string[]])[] = [
      [s => void [s.plan.unshift('zero'), s.plan[1]], ['state:/plan']],
      [s => void [s.plan.push('three'), s.plan[0]], ['state:/plan']],
      [
        s => void [s.constraints.list.unshift({ n: 0 }), s.constraints.list[1]!.n],
        ['state:/constraints/list'],
      ],
      [s => void [s.constraints.list.push({ n: 0 }), s.constraints.list[2]], ['state:/constraints/list']],
    ]
    expect(await readsOf(looks.map(([look]) => look))).toEqual(expected(looks))
  })

  it('[STL-1] is not what it only writes, or has itself made', async () => {
    const writes: readonly Recipe[] = [
      s => void Object.assign(s, { count: 1 }),
      s => void Object.assign(s.constraints.x, { v: 2 }),
      s => void Object.assign(s.constraints, { y: { v: 2 } }),
      s => void Object.assign(s.constraints.list[1]!, { n: 3 }),
      s => delete (s.constraints as Record<string, unknown>).x && undefined,
      s => void s.plan.push('three'),
      s => void s.plan.unshift('zero', 'half'),
      s => void Object.assign(s.plan, { length: 0 }),
      ({ plan, constraints }) => {
        plan.push('three')
        constraints.y = 1
      },
      s => {
        s.constraints.y = { list: [1] }
        ;(s.constraints.y as { list: number[] }).list.push(2)
      },
    ]
    expect(await readsOf(writes)).toEqual(writes.map(write => [String(write), []]))
  })

  it('[STL-3] who appends to a list is not stale by others who do', async () => {
    const contexts = await Promise.all(
      (await replicas(3)).map((replica, index) => planOn(replica, `agent-${index}`)),
    )
    await Promise.all(
      contexts.map((context, index) =>
        context.step('append', async step => {
          step.change(state => void state.plan.push(`by ${index}`))
          step.change(state => void state.plan.unshift(`before ${index}`))
          step.append('decision', { text: 'appended' })
        }),
      ),
    )
    for (const context of contexts) {
      await context.until(() => context.entries().length === 3)
      expect(context.state.plan).toHaveLength(6)
      expect(context.stale()).toEqual([])
    }
  })

  it('[STP-3] a job that was taken from a queue, which another has taken meanwhile, is not done twice', async () => {
    const [first, second] = await Promise.all(
      (await replicas(2)).map((replica, index) => planOn(replica, `agent-${index}`)),
    )
    await first!.change(state => void state.plan.push('pay alice')).committed
    await second!.until(() => second!.state.plan.length === 1)
    let paid = 0
    const paying = first!.step('pay', async step => {
      let job: string | undefined
      step.change(state => {
        job = state.plan.shift()
      })
      await second!.change(state => void state.plan.shift()).committed
      return step.effect('pay', () => `${job} ${++paid}`)
    })
    await expect(paying).rejects.toMatchObject({
      code: 'WEFT_EFFECT_REFUSED',
      details: { moved: ['state:/plan'] },
    })
    expect(paid).toBe(0)
  })
})
