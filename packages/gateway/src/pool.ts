import { WeftError } from '@weft/core'
import { shareOf } from './shares.js'

export interface PoolBounds {
  /** What is kept, many of it, for people. */
  readonly what: string
  readonly max: number
  /** Of what is being opened at once. */
  readonly opening_max: number
  /** Who may wait at once for what is being opened. */
  readonly waiting_max: number
  /** Who may use one of them at once. */
  readonly users_max: number
  /** How long one is kept that nobody uses. */
  readonly idle_ms: number
}

/** How somebody waits for what others wait for, too. */
export type Wait = <T>(shared: Promise<T>) => Promise<T>

interface Opening<Value> {
  readonly slot: Promise<Slot<Value>>
  /** Who waits for it still. */
  waiting: number
}

interface Slot<Value> {
  readonly value: Value
  users: number
  since_ms: number
  /** Opened for somebody who has not come to use it yet. */
  awaited: boolean
  /** Nobody is given it any more; it is closed when nobody uses it. */
  dropped: boolean
}

/**
 * What is costly to open and is asked for again, by key: opened once for all who ask at once, kept while it is used and
 * some time after that, and closed for the sake of another one when there are too many. What cannot be opened is not
 * kept, and costs none that is.
 */
export class Pool<Value> {
  /** By key, the longest unused first. */
  readonly #slots = new Map<string, Slot<Value>>()
  readonly #opening = new Map<string, Opening<Value>>()
  readonly #closing = new Set<Promise<unknown>>()
  #waiting = 0
  readonly #sweep: NodeJS.Timeout
  #closed = false

  /**
   * @param end closes one; what it throws is not heard
   * @param ownerOf whose one is: each owner has a share of them, by default all are of one and have no bound but `max`
   */
  constructor(
    private readonly bounds: PoolBounds,
    private readonly end: (value: Value) => Promise<unknown>,
    private readonly ownerOf?: (value: Value) => string,
  ) {
    this.#sweep = setInterval(() => this.#closeIdle(), bounds.idle_ms / 2).unref()
  }

  /**
   * @param wait how what is being opened is waited for; it is opened whoever waits no longer
   * @throws WEFT_LIMIT · WEFT_DRAINING, and what `open`, `wait` and `work` throw
   */
  async use<T>(
    key: string,
    open: () => Promise<Value>,
    work: (value: Value) => Promise<T>,
    wait: Wait = shared => shared,
  ): Promise<T> {
    const slot = this.#slots.get(key) ?? (await this.#waitFor(key, open, wait))
    const { users_max, what } = this.bounds
    if (slot.users >= users_max) throw tooMany(`${slot.users} requests are at one of the ${what}`)
    slot.users++
    slot.awaited = false
    try {
      return await work(slot.value)
    } finally {
      slot.users--
      slot.since_ms = Date.now()
      if (slot.dropped) this.#closeUnused(slot)
      else this.#moveToEnd(key, slot)
    }
  }

  /** Lets go of one, if it is still this value: whoever asks next opens another. */
  drop(key: string, value: Value): void {
    const slot = this.#slots.get(key)
    if (slot?.value !== value) return
    this.#slots.delete(key)
    slot.dropped = true
    this.#closeUnused(slot)
  }

  /** Resolves when all of them are closed; nobody may use one any more. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#sweep)
    await Promise.allSettled([...this.#opening.values()].map(({ slot }) => slot))
    for (const [key, { value }] of this.#slots) this.drop(key, value)
    await Promise.allSettled(this.#closing)
  }

  async #waitFor(key: string, open: () => Promise<Value>, wait: Wait): Promise<Slot<Value>> {
    const { waiting_max, what } = this.bounds
    if (this.#waiting >= waiting_max) throw tooMany(`${waiting_max} requests wait for ${what}`)
    const opening = this.#opening.get(key) ?? this.#open(key, open)
    this.#waiting++
    opening.waiting++
    try {
      return await wait(opening.slot)
    } finally {
      opening.waiting--
      this.#waiting--
    }
  }

  #open(key: string, open: () => Promise<Value>): Opening<Value> {
    const { opening_max, what } = this.bounds
    if (this.#closed) throw closed(what)
    if (this.#opening.size >= opening_max) throw tooMany(`${opening_max} ${what} are being opened`)
    const opening: Opening<Value> = {
      waiting: 0,
      slot: open()
        .then(value => this.#keep(key, value, opening.waiting > 0))
        .finally(() => this.#opening.delete(key)),
    }
    this.#opening.set(key, opening)
    return opening
  }

  #keep(key: string, value: Value, awaited: boolean): Slot<Value> {
    const slot = { value, users: 0, since_ms: Date.now(), awaited, dropped: false }
    try {
      if (this.#closed) throw closed(this.bounds.what)
      this.#makeRoom(value)
    } catch (error) {
      this.#closeUnused(slot)
      throw error
    }
    this.#slots.set(key, slot)
    return slot
  }

  #makeRoom(value: Value): void {
    const { max, what } = this.bounds
    const owner = this.ownerOf?.(value)
    if (owner !== undefined) {
      const isOwn = (slot: Slot<Value>): boolean => this.ownerOf?.(slot.value) === owner
      const slots = [...this.#slots.values()]
      const own = slots.filter(isOwn).length
      const left = max - slots.filter(slot => !isOwn(slot) && isBusy(slot)).length
      if (own >= shareOf(left)) {
        if (this.#dropUnused(isOwn)) return
        throw tooMany(`${own} ${what} of one tenant are in use`)
      }
    }
    if (this.#slots.size < max || this.#dropUnused(() => true)) return
    throw tooMany(`${max} ${what} are in use`)
  }

  /** Lets go of the longest unused of some, if there is one. */
  #dropUnused(isOne: (slot: Slot<Value>) => boolean): boolean {
    for (const [key, slot] of this.#slots) {
      if (isBusy(slot) || !isOne(slot)) continue
      this.drop(key, slot.value)
      return true
    }
    return false
  }

  #closeIdle(): void {
    const oldest_ms = Date.now() - this.bounds.idle_ms
    for (const [key, { users, since_ms, value }] of this.#slots) {
      if (users === 0 && since_ms <= oldest_ms) this.drop(key, value)
    }
  }

  #closeUnused({ users, value }: Slot<Value>): void {
    if (users > 0) return
    const closing = this.end(value)
      .catch(() => {})
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  #moveToEnd(key: string, slot: Slot<Value>): void {
    this.#slots.delete(key)
    this.#slots.set(key, slot)
  }
}

function isBusy({ users, awaited }: Slot<unknown>): boolean {
  return users > 0 || awaited
}

function tooMany(reason: string): WeftError {
  return new WeftError('WEFT_LIMIT', `${reason} already`, 'try again later, or end requests that wait')
}

function closed(what: string): WeftError {
  return new WeftError('WEFT_DRAINING', `the gateway opens no ${what} any more`, 'try again in a moment')
}
