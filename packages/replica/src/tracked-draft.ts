import { childPointer } from '@weft/core'
import { isDraft } from 'immer'
import type { Recipe } from './recipe.js'
import { isContainer, type ReadLog } from './tracked.js'

type Method = (...items: unknown[]) => unknown

/** Methods that read a list, and do the same whatever is in it. */
const APPENDING = new Set(['push', 'unshift'])

/**
 * A recipe that is shown a view of its draft, which logs what is read through it. What only writes (an assignment, a
 * list's `push`) logs nothing: a step that appends to a list does not depend on what else is in it.
 */
export function trackedRecipe<State>(recipe: Recipe<State>, log: ReadLog): Recipe<State> {
  return draft => {
    const views = new DraftViews(log)
    const shown = views.viewOf(draft as object, '')
    const returned: unknown = recipe(shown as never)
    return (returned === shown ? undefined : views.written(returned)) as State
  }
}

/**
 * The views of the drafts of one run of a recipe. Each draft has one, so that views are equal where drafts are, and it
 * stands for its draft wherever it is written to: immer takes one that lies within something new for the draft itself.
 */
class DraftViews implements ProxyHandler<object> {
  readonly #views = new WeakMap<object, object>()
  readonly #drafts = new WeakMap<object, object>()
  /** Where each draft was found first: what is read of it was written there, wherever it is moved to. */
  readonly #pointers = new WeakMap<object, string>()

  constructor(private readonly log: ReadLog) {}

  viewOf(draft: object, pointer: string): object {
    const known = this.#views.get(draft)
    if (known !== undefined) return known
    const view = new Proxy(draft, this)
    this.#views.set(draft, view)
    this.#drafts.set(view, draft)
    this.#pointers.set(draft, pointer)
    return view
  }

  /** What is to be written for a value. */
  written(value: unknown): unknown {
    return this.#drafts.get(value as object) ?? value
  }

  get(draft: object, key: string | symbol): unknown {
    const item: unknown = Reflect.get(draft, key)
    if (typeof key === 'symbol') return item
    if (typeof item === 'function') return this.#method(draft, key, item as Method)
    const pointer = this.#pointers.get(draft)!
    const below = Array.isArray(draft) && key === 'length' ? pointer : childPointer(pointer, key)
    if (isDraft(item)) return this.viewOf(item as object, below)
    // A container that is no draft was made by the recipe itself.
    if (!isContainer(item)) this.log.read(below)
    return item
  }

  ownKeys(draft: object): (string | symbol)[] {
    this.log.read(this.#pointers.get(draft)!)
    return Reflect.ownKeys(draft)
  }

  set(draft: object, key: string | symbol, value: unknown): boolean {
    return Reflect.set(draft, key, this.written(value))
  }

  /** A method as it is called on a view: through it, unless it reads what it does not depend on. */
  #method(draft: object, key: string, method: Method): Method {
    if (!Array.isArray(draft) || !APPENDING.has(key)) return method
    return (...items) => {
      return method.apply(
        draft,
        items.map(item => this.written(item)),
      )
    }
  }
}
