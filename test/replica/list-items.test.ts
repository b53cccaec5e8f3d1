import { connect, defineContext } from '@weft/replica'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { replicas } from '../support/steps-peer.ts'

const STATE = z.object({
  orders: z.array(z.object({ id: z.string(), limit: z.number() })),
  words: z.array(z.string()),
  keys: z.record(z.string(), z.string()),
})

type State = z.infer<typeof STATE>

const Orders = defineContext({
  name: 'orders',
  version: 1,
  state: STATE,
  initial: { orders: [order('a'), order('b')], words: ['p', 'q', 'r'], keys: {} },
  entries: { memory: z.string() },
})

function order(id: string, limit = 100) {
  return { id, limit }
}

const open: { close(options?: { discard: boolean }): Promise<unknown> }[] = []

afterEach(async () => {
  for (const each of open.splice(0)) await each.close({ discard: true })
})

/** What branches wrote beside each other, merged. */
async function beside(...recipes: ((state: State) => void)[]) {
  const replica = await connect({ url: 'ws://127.0.0.1:9', token: 'none', offline: true })
  open.push(replica)
  const context = await replica.open(Orders, { workflow: 'wf', agent: 'planner', offline: true })
  const names = recipes.map((_, index) => `branch-${index}`)
  await context.fanOut(names, async branch => {
    branch.change(recipes[names.indexOf(branch.branch)]!)
  })
  return context
}

function told(context: Awaited<ReturnType<typeof beside>>) {
  return context.conflicts().map(({ pointer, values }) => [pointer, values.map(({ value }) => value)])
}

describe('[MRG-2] two edits of one item are in conflict', () => {
  test('where one of them is beside an insertion before it', async () => {
    const context = await beside(
      state => {
        state.orders.unshift(order('new'))
        state.orders[1]!.limit = 200
      },
      state => {
        state.orders[0]!.limit = 300
      },
    )
    expect(told(context)).toEqual([['/orders/1/limit', [200, 300]]])
  })

  test('where one of them is beside a deletion before it', async () => {
    const context = await beside(
      state => {
        state.orders.shift()
        state.orders[0]!.limit = 200
      },
      state => {
        state.orders[1]!.limit = 300
      },
    )
    expect(told(context)).toEqual([['/orders/0/limit', [200, 300]]])
  })

  test('where it has no id, and what was done to it looks like another thing', async () => {
    const context = await beside(
      state => {
        state.words.shift()
        state.words[0] = 'Q by left'
      },
      state => {
        state.words[1] = 'Q by right'
      },
    )
    expect(context.state.words).toEqual(['Q by left', 'Q by right', 'r'])
    expect(told(context)).toEqual([['/words/1', [undefined, 'Q by right']]])
  })

  test('where others move it, and none are with what stands there then', async () => {
    const context = await beside(
      state => {
        state.orders[1]!.limit = 200
      },
      state => {
        state.orders[1]!.limit = 300
      },
      state => void state.orders.splice(1, 0, order('x'), order('y')),
    )
    expect(told(context)).toEqual([['/orders/3/limit', [200, 300]]])
    context.change(state => void state.orders.shift())
    expect(told(context)).toEqual([['/orders/2/limit', [200, 300]]])
  })
})

test('[MRG-2] insertions beside each other all stay, and so do edits of others', async () => {
  const context = await beside(
    state => void state.words.unshift('left'),
    state => void state.words.unshift('right'),
    state => void state.words.push('end'),
    state => {
      state.words[1] = 'Q'
    },
  )
  expect(context.conflicts()).toEqual([])
  expect(context.state.words.toSorted()).toEqual(['Q', 'end', 'left', 'p', 'r', 'right'].toSorted())
})

test('[MRG-2] keys that look like the end of a list are keys', async () => {
  const context = await beside(
    state => {
      state.keys['-'] = 'left'
    },
    state => {
      state.keys['-'] = 'right'
    },
  )
  expect(told(context)).toEqual([['/keys/-', ['left', 'right']]])
  context.resolve('/keys/-', 'both')
  expect(context.conflicts()).toEqual([])
  expect(context.resolutions().map(({ pointer, value }) => [pointer, value])).toEqual([['/keys/-', 'both']])
})

test('[MRG-2] conflicts of a list are settled one after the other as they are told, some by taking an item out', async () => {
  const edit = (name: string) => (state: State) => {
    for (const index of state.words.keys()) state.words[index] = `${name} ${index}`
  }
  const context = await beside(edit('left'), edit('right'), state => void state.words.unshift('first'))
  const conflicts = context.conflicts()
  expect(conflicts.map(({ pointer }) => pointer)).toEqual(['/words/3', '/words/2', '/words/1'])
  for (const { pointer } of conflicts) context.resolve(pointer, pointer === '/words/2' ? undefined : pointer)
  expect(context.conflicts()).toEqual([])
  expect(context.state.words).toEqual(['first', '/words/1', '/words/3'])
  expect(context.resolutions().map(({ pointer, value }) => [pointer, value])).toEqual([
    ['/words/3', '/words/3'],
    ['/words/2', undefined],
    ['/words/1', '/words/1'],
  ])
})

test('[MRG-2] an edit of an item that another branch took out is told, and can be settled by its mark', async () => {
  const context = await beside(
    state => void state.orders.shift(),
    state => {
      state.orders[0]!.limit = 300
    },
  )
  const [conflict] = context.conflicts()
  expect(conflict).toMatchObject({ winner: undefined, values: [{ value: undefined }, { value: 300 }] })
  expect(conflict!.pointer).toMatch(/^\/orders\/~@\d+@[0-9a-f]{32}$/)
  const before = context.digest()
  expect(() => context.resolve(conflict!.pointer, order('a', 300))).toThrow(
    expect.objectContaining({ code: 'WEFT_POINTER_INVALID' }),
  )
  expect(context.digest()).toBe(before)
  context.resolve(conflict!.pointer, undefined)
  expect(context.conflicts()).toEqual([])
  expect(context.state.orders).toEqual([order('b')])
})

test('[MRG-2] a conflict is settled by taking out the item that it is about, and not one beside it that is equal', async () => {
  const context = await beside(
    state => {
      state.words[0] = 'q'
    },
    state => {
      state.words[0] = 'q by right'
    },
  )
  // Which of the two wins follows from their actors: the items after it are made equal to it.
  const [winner] = context.state.words
  context.change(state => void state.words.splice(1, 2, winner!, winner!))
  await context.fanOut(['settling', 'editing'], async branch => {
    if (branch.branch === 'settling') branch.resolve('/words/0', undefined)
    else
      branch.change(state => {
        state.words[2] = 'edited'
      })
  })
  expect(context.conflicts()).toEqual([])
  expect(context.state.words).toEqual([winner, 'edited'])
  expect(context.resolutions().map(({ pointer, value }) => [pointer, value])).toEqual([
    ['/words/0', undefined],
  ])
})

test('[MRG-2] nothing is written to an item of a list by `resolve` where nothing is in conflict', async () => {
  const context = await beside(
    state => {
      state.words[0] = 'left'
    },
    state => {
      state.words[0] = 'right'
    },
  )
  context.change(state => void state.words.unshift('IMPORTANT'))
  expect(() => context.resolve('/words/0', 'left')).toThrow(
    expect.objectContaining({ code: 'WEFT_CONFLICT_UNKNOWN' }),
  )
  expect(context.state.words[0]).toBe('IMPORTANT')
  context.resolve('/words/1', 'left')
  expect(context.state.words.slice(0, 2)).toEqual(['IMPORTANT', 'left'])
})

describe('what a step has read of an item', () => {
  /** Whether the entry of a step that has read the second word is stale after another one's change, and what its effect does. */
  async function readBeside(recipe: (state: State) => void) {
    const [one, two] = await replicas(2)
    const reader = await one!.open(Orders, { workflow: 'wf', agent: 'reader' })
    const other = await two!.open(Orders, { workflow: 'wf', agent: 'other' })
    let ran = 0
    const running = reader.step('decide', async step => {
      step.append('memory', step.state.words[1]!)
      const receipt = other.change(recipe)
      await receipt.committed
      await reader.reach(await other.token())
      return step.effect('send', async () => ++ran).catch(error => (error as { code: string }).code)
    })
    const { value: result } = await running
    const entry = reader.entries().at(-1)!
    return { isStale: reader.why(entry.id).stale !== undefined, result, ran }
  }

  test.each<[string, (state: State) => void]>([
    ['an insertion', state => void state.words.unshift('x')],
    ['a deletion', state => void state.words.shift()],
  ])('[STL-2] [STP-3] is stale by %s before it, and no effect goes on it', async (_, recipe) => {
    expect(await readBeside(recipe)).toEqual({ isStale: true, result: 'WEFT_EFFECT_REFUSED', ran: 0 })
  })

  test('[STL-2] [STP-3] is as good as before when others push, pop or edit what stands behind it', async () => {
    const { isStale, result } = await readBeside(state => {
      state.words.pop()
      state.words.push('x', 'y')
    })
    expect({ isStale, result }).toEqual({ isStale: false, result: 1 })
  })
})
