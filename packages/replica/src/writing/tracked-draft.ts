import { childPointer } from '@weft/core'
import { isDraft } from 'immer'
import { checkFunction } from '../base/arguments.js'
import type { Recipe } from '../reading/recipe.js'
import { isContainer, pointerRead, type ReadLog, replaceViews, shownBy } from '../reading/tracked.js'

type Method = (...items: unknown[]) => unknown

/** Methods that read a list, and do the same whatever is in it. */
const APPENDING = new Set(['push', 'unshift'])

/** What immer asks a value for, to know whether it is a draft, and of what. */
const DRAFT_STATE = Symbol.for('immer-state')

/**
 * A recipe that is shown a view of its draft, which logs what is read through it. What only writes logs nothing: an
 * assignment, a deletion, what it goes through to get there, a list's `push` and `unshift`. Who adds to a list does not
 * depend on what else is in it; the length that these return is not logged either.
 */
export function trackedRecipe<State>(recipe: Recipe<State>, log: ReadLog): Recipe<State> {
  checkFunction('the recipe', recipe)
  return draft => {
    const views = new DraftViews(log)
    const shown = views.viewOf(draft as object, '')
    try {
      const returned: unknown = recipe(shown as never)
      return (returned === shown ? undefined : views.written(returned)) as State
    } finally {
      views.end()
    }
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
  /** Drafts that were handed out, and neither looked into nor written to since. */
  readonly #untouched = new Set<object>()
  /** What was written, and may be added to until the recipe ends. */
  readonly #made = new Set<object>()
  /** Lists that were added to unread: which of their items stands where tells how many there were. */
  readonly #extended = new WeakSet<object>()

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

  /** What is to be written for a value. All that a view shows counts as read: it is copied. */
  written(value: unknown): unknown {
    const draft = this.#drafts.get(value as object)
    if (draft !== undefined) {
      this.log.read(this.#pointers.get(draft)!)
      return draft
    }
    const shown = shownBy(value)
    if (isContainer(shown)) this.#made.add(shown)
    return shown
  }

  /** What was handed out for its own sake counts as read. */
  end(): void {
    for (const made of this.#made) replaceViews(made)
    for (const draft of this.#untouched) this.log.handOut(this.#pointers.get(draft)!)
  }

  get(draft: object, key: string | symbol): unknown {
    const item: unknown = Reflect.get(draft, key)
    if (typeof key === 'symbol') {
      // Then what it shows is copied past it: by `current`, or by immer where something new holds it.
      if (key === DRAFT_STATE) this.log.read(this.#pointers.get(draft)!)
      return item
    }
    if (typeof item === 'function') return this.#method(draft, key, item as Method)
    const below = this.#below(draft, key)
    // A container that is no draft was made by the recipe itself.
    if (!isContainer(item) || this.#extended.has(draft) || this.log.hasMoved(below)) this.log.read(below)
    return isDraft(item) ? this.#handedOut(draft, key, item as object) : item
  }

  has(draft: object, key: string | symbol): boolean {
    if (typeof key === 'string') this.log.read(this.#below(draft, key))
    return Reflect.has(draft, key)
  }

  ownKeys(draft: object): (string | symbol)[] {
    this.log.read(this.#touched(draft))
    return Reflect.ownKeys(draft)
  }

  getOwnPropertyDescriptor(draft: object, key: string | symbol): PropertyDescriptor | undefined {
    const own = Reflect.getOwnPropertyDescriptor(draft, key)
    if (typeof key === 'symbol') return own
    this.log.read(this.#below(draft, key))
    return isDraft(own?.value) ? { ...own, value: this.#handedOut(draft, key, own?.value as object) } : own
  }

  set(draft: object, key: string | symbol, value: unknown): boolean {
    this.#touched(draft)
    return Reflect.set(draft, key, this.written(value))
  }

  deleteProperty(draft: object, key: string | symbol): boolean {
    this.#touched(draft)
    return Reflect.deleteProperty(draft, key)
  }

  /** A method as it is called on a view: through it, unless it reads what it does not depend on. */
  #method(draft: object, key: string, method: Method): Method {
    if (!Array.isArray(draft) || !APPENDING.has(key)) return method
    return (...items) => {
      this.#touched(draft)
      this.#extended.add(draft)
      return method.apply(
        draft,
        items.map(item => this.written(item)),
      )
    }
  }

  #handedOut(draft: object, key: string, item: object): object {
    this.#untouched.add(item)
    return this.viewOf(item, childPointer(this.#pointers.get(draft)!, key))
  }

  #below(draft: object, key: string): string {
    const pointer = this.#touched(draft)
    return this.#extended.has(draft) ? pointer : pointerRead(draft, pointer, key)
  }

  #touched(draft: object): string {
    this.#untouched.delete(draft)
    return this.#pointers.get(draft)!
  }
}
