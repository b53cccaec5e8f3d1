import { type AnySchema, defineContext } from '@weft/core'
import type { Context } from '@weft/replica'

interface SchemaOf<T> extends AnySchema {
  readonly '~standard': AnySchema['~standard'] & {
    readonly types?: { readonly input: T; readonly output: T }
  }
}

/** Takes whatever is JSON. */
function anything<T>(): SchemaOf<T> {
  return { '~standard': { version: 1, vendor: 'weft-testkit', validate: value => ({ value: value as T }) } }
}

export interface PlayState {
  plan: Record<string, string>
  facts: Record<string, number>
  tasks: { id: string; roll: number }[]
}

/** Those that there are from the beginning. */
const TASKS = ['x', 'y', 'z']

/** What the workers of the random workload write: a context with an initial state, so that all begin it at once. */
export const Play = defineContext({
  name: 'play',
  version: 1,
  state: anything<PlayState>(),
  entries: { note: anything<unknown>(), decision: anything<unknown>() },
  initial: { plan: {}, facts: { a: 0, b: 0 }, tasks: TASKS.map(id => ({ id, roll: 0 })) },
})

export type PlayContext = Context<PlayState, typeof Play.entries>

/** Every tenant has these: what is not kept apart shows at once. */
export const WORKFLOWS = ['wf-1', 'wf-2']
export const OVERLAY = 'house'
export const SOURCES = ['ext:doc/1', 'ext:doc/2', 'ext:crm/acme']
export const FACTS = ['a', 'b']
/** The branch that is written under a lease alone. */
export const LEASED = 'leased'
