import { expect, onTestFinished, test } from 'vitest'
import { rejectionOf } from '../support/peer-until.ts'
import { openOffline, type Opened } from '../support/replica-contexts.ts'

type State = { plan: string[]; constraints: Record<string, unknown> }
type AnyRecipe = (state: State) => unknown
type Change = (context: Opened, recipe: AnyRecipe) => unknown

/** The ways to change the state, with recipes of JavaScript, which no compiler has looked at. */
const WAYS: readonly (readonly [string, Change])[] = [
  ['change', (context, recipe) => context.change(recipe as never)],
  ['write', (context, recipe) => context.write(draft => void draft.change(recipe as never))],
  [
    'the first of several',
    (context, recipe) => context.write(draft => void draft.change(recipe as never).change(() => {})),
  ],
  ['a step', (context, recipe) => context.step('s', step => void step.change(recipe as never))],
]

/** What a change is refused with, whether it is thrown or comes as a rejection. */
function refusalOf(change: Change, context: Opened, recipe: AnyRecipe) {
  return rejectionOf((async () => change(context, recipe))())
}

function uncaughtRejections(): unknown[] {
  const found: unknown[] = []
  const onRejection = (error: unknown): void => void found.push(error)
  process.on('unhandledRejection', onRejection)
  onTestFinished(() => void process.off('unhandledRejection', onRejection))
  return found
}

test.each(
  WAYS,
)('an asynchronous recipe is refused as one, and nothing of it comes later: %s', async (_, change) => {
  const context = await openOffline()
  const uncaught = uncaughtRejections()
  const recipes: AnyRecipe[] = [
    async state => {
      await Promise.resolve()
      state.plan.push('late')
    },
    async state => void state.plan.push('early'),
  ]
  for (const recipe of recipes) {
    const refused = await refusalOf(change, context, recipe)
    expect(refused).toMatchObject({ code: 'WEFT_USAGE', message: expect.stringContaining('asynchronous') })
  }
  await new Promise(resolve => setImmediate(resolve))
  expect(uncaught).toEqual([])
  expect(context.state.plan).toEqual(['begin'])
})

test.each(WAYS)('a recipe that returns what it did to the draft is told so: %s', async (_, change) => {
  const context = await openOffline()
  const refused = await refusalOf(change, context, state => state.plan.push('x'))
  expect(refused).toMatchObject({ code: 'WEFT_USAGE', message: expect.stringContaining('returned 2') })
  expect(context.state.plan).toEqual(['begin'])
})

test.each(WAYS)('a recipe that is none is refused as that: %s', async (_, change) => {
  const refused = await refusalOf(change, await openOffline(), 'x' as never)
  expect(refused).toMatchObject({ code: 'WEFT_USAGE', message: 'the recipe is of type string' })
})

test('a recipe may return a new state, or the draft that it has changed', async () => {
  const context = await openOffline()
  const recipes: AnyRecipe[] = [
    state => {
      state.plan.push('same')
      return state
    },
    state => ({ ...state, plan: [...state.plan, 'new'] }),
  ]
  let seen: unknown
  const enough = new Error('the step has no peer to be committed at')
  const step = context.step('s', each => {
    for (const recipe of recipes) each.change(recipe as never)
    seen = { ...each.state }
    throw enough
  })
  await expect(step).rejects.toBe(enough)
  for (const recipe of recipes) context.change(recipe as never)
  const after = { plan: ['begin', 'same', 'new'], constraints: {} }
  expect([context.state, seen]).toEqual([after, after])
})

test('what a recipe throws comes out as it was', async () => {
  const context = await openOffline()
  const mine = new Error('mine')
  for (const [, change] of WAYS) {
    const changing = (async () =>
      change(context, () => {
        throw mine
      }))()
    await expect(changing).rejects.toBe(mine)
  }
})

test('a change within a recipe is not undone by what the recipe makes', async () => {
  const context = await openOffline()
  const within: AnyRecipe = state => {
    context.change(inner => void inner.plan.push('inner'))
    state.constraints.format = 'json'
  }
  for (const [, change] of WAYS.slice(0, -1)) {
    expect(await refusalOf(change, context, within)).toMatchObject({ code: 'WEFT_USAGE' })
  }
  expect(context.state).toEqual({ plan: ['begin', 'inner', 'inner', 'inner'], constraints: {} })
  const step = context.step('s', step => {
    step.change(state => {
      step.change(inner => void inner.plan.push('inner'))
      state.constraints.format = 'json'
    })
  })
  await expect(step).rejects.toMatchObject({ code: 'WEFT_USAGE' })
})

test('an entry within a recipe is written beside it, also as the first of its context', async () => {
  const context = await openOffline()
  context.change(state => {
    context.append('message', { text: 'a' })
    state.plan.push('x')
  })
  expect([context.state.plan, context.entries().length]).toEqual([['begin', 'x'], 1])
})
