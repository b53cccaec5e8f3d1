import { type Json, jsonEquals, WeftError } from '@weft/core'
import { type Draft, produce } from 'immer'
import { checkFunction, checkIsDone } from '../base/arguments.js'

/** Mutates a draft of the state, or returns the new state. */
// biome-ignore lint/suspicious/noConfusingVoidType: a recipe that returns nothing is the usual one
export type Recipe<State> = (draft: Draft<State>) => State | void

/**
 * What recipes, one after the other, make of the state that `now` tells, which stays as it is.
 * @throws WEFT_USAGE when one is asynchronous, returns something beside what it changed, or writes by another way
 */
export function stateAfter<State>(now: () => State, recipes: readonly Recipe<State>[]): State {
  for (const recipe of recipes) checkFunction('the recipe', recipe)
  const before = now()
  const state = recipes.reduce(applied, before)
  if (jsonEquals(now() as Json, before as Json)) return state
  throw new WeftError(
    'WEFT_USAGE',
    'the state was changed by another call while the recipe ran, and what the recipe makes would undo that',
    'change the draft alone in a recipe; what the other call wrote stays',
  )
}

function applied<State>(state: State, recipe: Recipe<State>): State {
  let returned: unknown
  try {
    return produce(state, (draft: Draft<State>) => {
      returned = recipe(draft)
      checkIsDone('the recipe', returned)
      return returned as never
    })
  } catch (error) {
    // What the recipe itself throws is its caller's.
    if (returned === undefined || error instanceof WeftError) throw error
    throw changedAndReturned(returned, error)
  }
}

function changedAndReturned(returned: unknown, cause: unknown): WeftError {
  const what = typeof returned === 'object' ? 'something' : String(returned)
  return new WeftError(
    'WEFT_USAGE',
    `the recipe changed its draft and returned ${what} as well`,
    'change the draft and return nothing, as in `state => void state.plan.push(…)`, or return the new state',
    {},
    { cause },
  )
}
