import type { Position } from '../base/ids.js'

/** Somebody who may still begin a step without having seen all publications. */
export interface OverlayHolder {
  readonly name: string
  /** How much of the log of overlays it has said that it knows. */
  readonly position: Position
  /** It may until then, at most, ms since 1970 UTC. */
  readonly until_ms: number
}

/**
 * Who was told that all it knows of a tenant's overlays is current, and until when that may be relied on (OVL-2). So
 * nobody has to ask before every step, and it is known for whom a barrier has to wait (OVL-3).
 */
export class OverlayLeases {
  readonly #holders = new Map<number, OverlayHolder>()

  /** @param started_ms when the peer began: whoever was told so by an earlier one may rely on it for its whole time */
  constructor(
    private readonly ttl_ms: number,
    private readonly started_ms: number,
  ) {}

  /** Until when anybody may rely on anything. */
  get lastUntil_ms(): number {
    let last = this.started_ms + this.ttl_ms
    for (const { until_ms } of this.#holders.values()) last = Math.max(last, until_ms)
    return last
  }

  /**
   * A connection says that it knows the log up to `position`, and asks whether that is current.
   * @param count how long the log is
   * @returns for how long it may rely on it from when it asked; 0 if it knows less than there is
   */
  confirm(connection: number, name: string, position: Position, count: Position, now_ms: number): number {
    if (position >= count) {
      this.#holders.set(connection, { name, position, until_ms: now_ms + this.ttl_ms })
      return this.ttl_ms
    }
    // What it was told before it may go by until then.
    this.seen(connection, position)
    return 0
  }

  /** A connection says that it knows the log up to `position`. */
  seen(connection: number, position: Position): void {
    const held = this.#holders.get(connection)
    if (held && held.position < position) this.#holders.set(connection, { ...held, position })
  }

  /** It says that it begins no more steps. One that is only out of reach has not said so. */
  leave(connection: number): void {
    this.#holders.delete(connection)
  }

  /** Who may still begin a step without knowing the log up to `position`. */
  behind(position: Position, now_ms: number): OverlayHolder[] {
    for (const [connection, { until_ms }] of this.#holders)
      if (until_ms <= now_ms) this.#holders.delete(connection)
    const behind = [...this.#holders.values()].filter(holder => holder.position < position)
    const until_ms = this.started_ms + this.ttl_ms
    return until_ms <= now_ms ? behind : [{ name: BEFORE, position: 0, until_ms }, ...behind]
  }
}

const BEFORE = 'whoever was connected before the peer began'
