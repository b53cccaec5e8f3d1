import type { Clock, WeftError } from '@weft/core'
import { Budget } from './budget.js'
import type { ScratchLimits } from './limits.js'
import { ended, tooMany, unknown } from './refusals.js'
import { type Member, Room } from './room.js'

interface Open {
  readonly room: Room
  touched_ms: number
  cancelIdle: () => void
  cancelGrace: () => void
}

const nothing = (): void => {}

/**
 * The shared scratches of one tenant, by `workflow/id`. A room begins with its owner and ends when the owner says so,
 * is gone for too long, or nobody writes. Guests who come before the owner wait for it, unread.
 */
export class Rooms {
  readonly #open = new Map<string, Open>()
  readonly #waiting = new Map<string, Map<Member, () => void>>()
  readonly #budget: Budget
  #connections = 0

  constructor(
    private readonly limits: ScratchLimits,
    private readonly clock: Clock,
    whole: Budget,
    /** Nobody is here any more, and nothing. */
    private readonly emptied: () => void,
  ) {
    this.#budget = new Budget(limits.tenant_bytes_max, whole)
  }

  get size(): number {
    return this.#open.size
  }

  get connections(): number {
    return this.#connections
  }

  /** @throws WEFT_LIMIT when there is no room for one more, as an owner or a guest */
  checkCapacity(name: string, owner: boolean): void {
    const { connections_per_tenant_max, connections_per_room_max, rooms_per_tenant_max } = this.limits
    if (this.#connections >= connections_per_tenant_max)
      throw tooMany('connections of this tenant', connections_per_tenant_max)
    const open = this.#open.get(name)
    const there = open?.room.members.size ?? this.#waiting.get(name)?.size ?? 0
    if (there >= connections_per_room_max)
      throw tooMany('connections to this scratch', connections_per_room_max)
    if (owner && open === undefined && this.#open.size >= rooms_per_tenant_max)
      throw tooMany('shared scratches of this tenant', rooms_per_tenant_max)
  }

  /** Each `arrive` is followed by one `depart`. */
  arrive(name: string, member: Member): void {
    this.#connections++
    const open = this.#open.get(name)
    if (open === undefined && !member.owns) this.#await(name, member)
    else this.#join(name, open ?? this.#begin(name), member)
  }

  /** @param done an owner's last word: the scratch ends with it */
  depart(name: string, member: Member, done: boolean): void {
    this.#connections--
    this.#stopWaiting(name, member)
    const open = this.#open.get(name)
    open?.room.leave(member)
    if (open && member.owns && done) this.fail(name, ended('its step is over'))
    else if (open && member.owns && !open.room.hasOwner) this.#awaitOwner(name, open)
    this.#tidy()
  }

  /** Ends everything. */
  close(error: WeftError): void {
    for (const name of [...this.#open.keys()]) this.fail(name, error)
    for (const waiting of [...this.#waiting.values()])
      for (const member of [...waiting.keys()]) member.close(error)
  }

  /** Ends one scratch. */
  fail(name: string, error: WeftError): void {
    const open = this.#open.get(name)
    if (open === undefined) return
    this.#open.delete(name)
    open.cancelIdle()
    open.cancelGrace()
    open.room.end(error)
    this.#tidy()
  }

  #begin(name: string): Open {
    const touched = (): void => {
      open.touched_ms = this.clock.now()
    }
    const room = new Room(this.limits, this.#budget, touched)
    const open: Open = { room, touched_ms: this.clock.now(), cancelIdle: nothing, cancelGrace: nothing }
    this.#open.set(name, open)
    this.#watchIdle(name, open)
    return open
  }

  #join(name: string, open: Open, member: Member): void {
    if (member.owns) open.cancelGrace()
    open.room.join(member)
    for (const guest of [...(this.#waiting.get(name)?.keys() ?? [])]) {
      this.#stopWaiting(name, guest)
      open.room.join(guest)
    }
  }

  #await(name: string, member: Member): void {
    const waiting = this.#waiting.get(name) ?? new Map<Member, () => void>()
    this.#waiting.set(name, waiting)
    waiting.set(
      member,
      this.clock.after(this.limits.owner_grace_ms, () => member.close(unknown())),
    )
  }

  #stopWaiting(name: string, member: Member): void {
    const waiting = this.#waiting.get(name)
    waiting?.get(member)?.()
    waiting?.delete(member)
    if (waiting?.size === 0) this.#waiting.delete(name)
  }

  #awaitOwner(name: string, open: Open): void {
    open.cancelGrace()
    open.cancelGrace = this.clock.after(this.limits.owner_grace_ms, () =>
      this.fail(name, ended('its owner is gone')),
    )
  }

  #watchIdle(name: string, open: Open): void {
    const left_ms = open.touched_ms + this.limits.idle_ms - this.clock.now()
    if (left_ms <= 0) this.fail(name, ended('nobody has written to it for long'))
    else open.cancelIdle = this.clock.after(left_ms, () => this.#watchIdle(name, open))
  }

  #tidy(): void {
    if (this.#connections === 0 && this.#open.size === 0) this.emptied()
  }
}
