import fc from 'fast-check'
import { produce } from 'immer'
import { expect, test } from 'vitest'
import { holdsAsync } from '../support/core-property.ts'
import { type Board, Boards, boards, recipes, run } from '../support/recipe-acts.ts'
import { offline } from '../support/replica-contexts.ts'

type Recipe = (board: Board, state: Readonly<Board>) => unknown
const enough = new Error('the step has no peer to be committed at')

/** What recipes make of a board in a step, one after the other. */
async function openBoards() {
  const replica = await offline()
  const context = await replica.open(Boards, { workflow: 'w', agent: 'a', offline: true })
  return {
    inStep: async (board: Board, recipe: Recipe): Promise<unknown> => {
      let after: unknown
      const ending = context.step('s', step => {
        step.change(() => board).change(draft => recipe(draft, step.state) as Board)
        after = JSON.parse(JSON.stringify(step.state))
        throw enough
      })
      await expect(ending).rejects.toBe(enough)
      return after
    },
    inChange: (board: Board, recipe: Recipe): unknown => {
      context.change(() => board)
      context.change(draft => recipe(draft, context.state) as Board)
      return context.state
    },
  }
}

const task = (id: string) => ({ id, n: 0, tags: [], sub: { v: 0 } })

test('[STP-1] what a recipe has found in a step is what it then removes and moves', async () => {
  const { inStep } = await openBoards()
  const board = { todo: [task('a'), task('b'), task('c')], done: [], byName: {}, queues: {} }
  const removed = await inStep(board, ({ todo }) => {
    todo.splice(todo.indexOf(todo.find(({ id }) => id === 'a')!), 1)
  })
  expect(removed).toEqual({ ...board, todo: [task('b'), task('c')] })
  const moved = await inStep(board, draft => {
    const item = draft.todo.find(({ id }) => id === 'b')!
    draft.done.push(item)
    draft.todo = draft.todo.filter(each => each !== item)
  })
  expect(moved).toEqual({ ...board, todo: [task('a'), task('c')], done: [task('b')] })
})

test('[STP-1] a recipe may write what it takes from the state of its step, as it is or in something new', async () => {
  const { inStep, inChange } = await openBoards()
  const board = { todo: [task('a'), task('b')], done: [], byName: { c: task('c') }, queues: { q: ['x'] } }
  const written: readonly Recipe[] = [
    (draft, state) => {
      draft.byName.d = state.todo[1]!
    },
    (draft, state) => {
      draft.done = [...state.todo, { ...state.byName.c!, tags: state.queues.q! }]
    },
    (draft, state) => void draft.done.push(state.todo[0]!, { ...task('n'), sub: state.todo[0]!.sub }),
    (draft, state) => {
      const kept: Board['done'] = []
      draft.done = kept
      kept.push(state.todo[0]!)
    },
    (_, state) => ({ ...state, todo: state.todo.slice(1) }),
    (_, state) => state,
  ]
  for (const recipe of written) {
    expect(await inStep(board, recipe), String(recipe)).toEqual(inChange(board, recipe))
  }
})

test('[STP-1] a recipe does in a step what it does without one, and sees the same', async () => {
  const { inStep, inChange } = await openBoards()
  await holdsAsync(
    fc.tuple(boards, recipes),
    async ([board, recipe]) => {
      const seen: unknown[][] = [[], [], []]
      const expected = produce(board, draft => run(recipe, draft, seen[0]!))
      expect(inChange(board, draft => run(recipe, draft, seen[1]!))).toEqual(expected)
      expect(await inStep(board, draft => run(recipe, draft, seen[2]!))).toEqual(expected)
      expect(seen[2]).toEqual(seen[0])
      expect(seen[1]).toEqual(seen[0])
    },
    200,
  )
})
