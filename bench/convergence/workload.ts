import { Dice, type Message, message } from '../dice.js'

export const BRANCHES = 16
export const CHANGES_PER_BRANCH = 500
export const CHANGES = BRANCHES * CHANGES_PER_BRANCH
const STATE_EVERY = 10
const STATE_KEYS = 50
const SEED = 20_250_101

/** One edit of the state: a key of a flat map, and, for those who take a whole state, how it looks then. */
export interface Edit {
  readonly key: string
  readonly value: string
  readonly after: Readonly<Record<string, string>>
}

/** One change as an author means it: one entry, and in some of them an edit. Made before any clock runs. */
export interface Operation {
  readonly entry: Message
  readonly entryJson: string
  readonly edit: Edit | undefined
}

export type Workload = readonly (readonly Operation[])[]

/** The changes of all branches; with a state edit in every tenth, if so wished. */
export function workload(withState: boolean): Workload {
  const dice = new Dice(SEED)
  return Array.from({ length: BRANCHES }, (_, branch) => branchWork(dice, branch, withState))
}

function branchWork(dice: Dice, branch: number, withState: boolean): Operation[] {
  let after: Readonly<Record<string, string>> = {}
  return Array.from({ length: CHANGES_PER_BRANCH }, (_, index) => {
    const entry = message(dice)
    let edit: Edit | undefined
    if (withState && index % STATE_EVERY === STATE_EVERY - 1) {
      const key = `key-${dice.below(STATE_KEYS)}`
      const value = `${branch}-${index}`
      after = { ...after, [key]: value }
      edit = { key, value, after }
    }
    return { entry, entryJson: JSON.stringify(entry), edit }
  })
}
