import type { WeftError } from '@weft/core'
import { Budget } from './budget.js'
import type { ScratchLimits } from './limits.js'
import { type ScratchMessage, writeAnswer, writePresence, writeQuestion, writeUpdate } from './messages.js'
import { Presence } from './presence.js'
import { full, readOnly } from './refusals.js'
import { UpdateLog } from './update-log.js'

/** One connection to a scratch. */
export interface Member {
  readonly mayWrite: boolean
  readonly owns: boolean
  send(frame: Uint8Array): void
  /** Ends the connection, telling the client why. */
  close(error: WeftError): void
  /** Lets go of what the member says, which it has held back until it was let in. */
  admitted(room: Room): void
}

/** What an update or a presence may cost beside its own bytes. */
const MARGIN_BYTES = 256

/** A shared scratch, in memory: what was written, who is there, and whom to tell. */
export class Room {
  readonly members = new Set<Member>()
  readonly #log: UpdateLog
  readonly #presence: Presence
  readonly #budget: Budget
  #charged = 0

  constructor(
    limits: ScratchLimits,
    tenant: Budget,
    /** Somebody has written. */
    private readonly touched: () => void,
  ) {
    this.#budget = new Budget(limits.room_bytes_max, tenant)
    this.#log = new UpdateLog(limits.clients_per_room_max)
    this.#presence = new Presence(limits)
  }

  get hasOwner(): boolean {
    return [...this.members].some(({ owns }) => owns)
  }

  /** Who may write is asked for what it has; who may not has nothing to say. */
  join(member: Member): void {
    this.members.add(member)
    member.admitted(this)
    if (member.mayWrite) member.send(writeQuestion(this.#log.stateVector()))
    const there = this.#presence.all()
    if (there) member.send(writePresence(there))
  }

  leave(member: Member): void {
    if (!this.members.delete(member)) return
    this.#announce(this.#presence.leave(member))
    this.#settle()
  }

  /** @throws WEFT_FRAME_MALFORMED · WEFT_SCRATCH_FULL · WEFT_SCOPE; then nothing of the message was taken in */
  receive(message: ScratchMessage, from: Member): void {
    switch (message.is) {
      case 'question':
        from.send(writeAnswer(this.#log.since(message.known)))
        this.#settle()
        return
      case 'query-presence': {
        const there = this.#presence.all()
        if (there) from.send(writePresence(there))
        return
      }
      case 'presence':
        this.#hear(message.states, from)
        return
      case 'update':
        this.#write(message.update, from)
    }
  }

  /** All is forgotten, and whoever is left is told why. */
  end(error: WeftError): void {
    const members = [...this.members]
    this.members.clear()
    this.#budget.give(this.#charged)
    this.#charged = 0
    for (const member of members) member.close(error)
  }

  /** Nobody is told of those who only watch. They hear themselves: a client takes silence for a dead connection. */
  #hear(states: Uint8Array, from: Member): void {
    if (from.mayWrite) this.#within(states.length, () => this.#announce(this.#presence.receive(states, from)))
    else from.send(writePresence(states))
  }

  #write(update: Uint8Array, from: Member): void {
    if (!from.mayWrite) throw readOnly()
    const admitted = this.#log.admit(update)
    if (admitted === undefined) return
    this.#within(this.#log.costOf(admitted), () => this.#log.append(admitted))
    this.touched()
    const frame = writeUpdate(admitted.news)
    for (const member of this.members) if (member !== from) member.send(frame)
  }

  #announce(states: Uint8Array | undefined): void {
    if (states === undefined) return
    const frame = writePresence(states)
    for (const member of this.members) member.send(frame)
  }

  /** Does it if there is room for so many bytes more. */
  #within(bytes: number, work: () => void): void {
    const cost = bytes + MARGIN_BYTES
    if (!this.#budget.take(cost)) throw full('a scratch or its tenant', `${this.#budget.bytes_max} bytes`)
    this.#charged += cost
    try {
      work()
    } finally {
      this.#settle()
    }
  }

  /** Pays for what is held now, which is never more than was taken. */
  #settle(): void {
    const spare = this.#charged - (this.#log.bytes + this.#presence.bytes)
    this.#budget.give(spare)
    this.#charged -= spare
  }
}
