import type { Dice } from './dice.js'
import type { Parcel, Way } from './parcel.js'
import type { Scheduler } from './scheduler.js'
import type { SimSocket } from './socket.js'

/** One direction between two hosts, whatever connections there are. */
export interface Lane {
  /** Nothing gets through; it waits where it was sent. */
  isBlocked: boolean
  /** What comes on top of each parcel's time. */
  extra_ms: number
  /** The share of frames that are lost, doubled or swapped: then the connection breaks soon. */
  mangled: number
}

const LATENCY_MS = { least: 0.1, most: 3 }
/** A stream with a hole in it does not live long. */
const BREAK_MS = 40

/** The way from one end of a connection to the other: ordered, as a stream is, unless the lane is mangled. */
export class Pipe implements Way {
  readonly #held: Parcel[] = []
  #heldBytes = 0
  #slowBytes = 0
  #inFlight: { readonly parcel: Parcel; cancel: () => void }[] = []
  #lastArrival_ms = 0
  #swapped: Parcel | undefined

  constructor(
    readonly lane: Lane,
    private readonly to: SimSocket,
    private readonly label: string,
    private readonly scheduler: Scheduler,
    private readonly dice: Dice,
    private readonly onMangled: (within_ms: number) => void,
  ) {}

  /** Bytes that wait at the sender: for a lane that is blocked, or for a slow one to take them. */
  get bufferedBytes(): number {
    return this.#heldBytes + this.#slowBytes
  }

  send(parcel: Parcel): void {
    if (this.lane.isBlocked || this.#held.length > 0) {
      this.#held.push(parcel)
      this.#heldBytes += sizeOf(parcel)
      return
    }
    this.#depart(parcel)
  }

  /** The lane is clear again. */
  release(): void {
    if (this.lane.isBlocked) return
    // Who hears that there is room again may send more at once: that goes behind what is held still.
    for (let parcel = this.#held[0]; parcel !== undefined; parcel = this.#held[0]) {
      this.#heldBytes -= sizeOf(parcel)
      this.#depart(parcel)
      this.#held.shift()
    }
  }

  /** What is under way is lost. */
  lose(): void {
    for (const { cancel } of this.#inFlight) cancel()
    this.#inFlight = []
    this.#held.length = 0
    this.#heldBytes = 0
    this.#slowBytes = 0
    this.#swapped = undefined
  }

  #depart(parcel: Parcel): void {
    if (parcel.kind === 'frame') this.#takenIn(parcel)
    if (parcel.kind !== 'frame' || this.lane.mangled === 0 || !this.dice.chance(this.lane.mangled)) {
      this.#fly(parcel)
      if (this.#swapped) this.#fly(this.#swapped)
      this.#swapped = undefined
      return
    }
    this.onMangled(this.dice.between(1, BREAK_MS))
    const how = this.dice.below(3)
    if (how === 0) return
    if (how === 1) this.#swapped = parcel
    else for (const copy of [parcel, parcel]) this.#fly(copy)
  }

  /** A lane that is slow takes a frame in by and by, and who sends on it has to wait. */
  #takenIn({ bytes, sent, from }: Parcel & { kind: 'frame' }): void {
    const { extra_ms } = this.lane
    if (extra_ms === 0) {
      sent?.()
      return
    }
    this.#slowBytes += bytes.length
    const taken = (): void => {
      if (this.#slowBytes === 0) return
      this.#slowBytes -= bytes.length
      sent?.()
    }
    this.scheduler.plan(extra_ms, `taken ${this.label}`, taken, from)
  }

  #fly(parcel: Parcel): void {
    const delay_ms = this.dice.between(LATENCY_MS.least, LATENCY_MS.most) + this.lane.extra_ms
    const at_ms = Math.max(this.#lastArrival_ms, this.scheduler.now_ms + delay_ms)
    this.#lastArrival_ms = at_ms
    const flight = { parcel, cancel: () => {} }
    flight.cancel = this.scheduler.planAt(
      at_ms,
      `${parcel.kind} ${this.label}`,
      () => {
        this.#inFlight = this.#inFlight.filter(other => other !== flight)
        if (parcel.kind === 'frame') this.scheduler.trace.bytes(parcel.bytes)
        this.to.receive(parcel)
      },
      this.to.process,
    )
    this.#inFlight.push(flight)
  }
}

function sizeOf(parcel: Parcel): number {
  return parcel.kind === 'frame' ? parcel.bytes.length : 0
}
