import { diffUpdate, encodeStateVector, mergeUpdates } from 'yjs'
import { type Clocks, checkUpdate } from './update-check.js'
import { full, malformed } from './refusals.js'

/** Pieces of a level before they are merged into one of the next: Yjs sorts all pieces anew for each that it takes. */
const PIECES_MAX = 16
/** What an update costs beside its bytes. */
const PIECE_BYTES = 128
/** What a client's clock costs. */
const CLOCK_BYTES = 64

/** What of an update is new, and the clocks that it moves on. */
export interface Admitted {
  readonly news: Uint8Array
  readonly moved: Clocks
}

/**
 * A scratch document as a relay holds it: the updates themselves, merged now and then, and never integrated. So nothing
 * in them can hang or damage the relay, and the cost of one more stays about the same however many there were.
 */
export class UpdateLog {
  readonly #clocks = new Map<number, number>()
  /** Level n holds updates that were each merged of up to PIECES_MAX of level n - 1, oldest first. */
  #levels: Uint8Array[][] = []
  #bytes = 0

  constructor(private readonly clients_max: number) {}

  get bytes(): number {
    return this.#bytes + this.#clocks.size * CLOCK_BYTES
  }

  get clocks(): Clocks {
    return this.#clocks
  }

  /**
   * What of an update is new here, checked to be whole; undefined when nothing is. Changes nothing.
   * @throws WEFT_FRAME_MALFORMED · WEFT_SCRATCH_FULL
   */
  admit(update: Uint8Array): Admitted | undefined {
    const { moved, overlaps, deletes } = checkUpdate(update, this.#clocks)
    if (moved.size === 0 && !deletes) return undefined
    if (this.#clocks.size + this.#strangers(moved) > this.clients_max)
      throw full('a scratch', `${this.clients_max} writing clients`)
    return { moved, news: overlaps ? diffUpdate(update, encodeStateVector(this.#clocks)) : update }
  }

  /** Bytes that `append` would take at most. */
  costOf({ news, moved }: Admitted): number {
    return news.length + PIECE_BYTES + this.#strangers(moved) * CLOCK_BYTES
  }

  append({ news, moved }: Admitted): void {
    for (const [client, clock] of moved) this.#clocks.set(client, clock)
    this.#put(0, news)
  }

  /** One update of all that the other side lacks. @throws WEFT_FRAME_MALFORMED for what is no state vector */
  since(stateVector: Uint8Array): Uint8Array {
    const pieces = this.#levels.flat()
    const whole = pieces.length === 1 ? pieces[0]! : mergeUpdates(pieces)
    if (pieces.length > 1) {
      this.#levels = [[], [whole]]
      this.#bytes = whole.length + PIECE_BYTES
    }
    try {
      return diffUpdate(whole, stateVector)
    } catch (error) {
      throw malformed(`a state vector cannot be decoded (${(error as Error).message})`)
    }
  }

  stateVector(): Uint8Array {
    return encodeStateVector(this.#clocks)
  }

  /** How many of these clients have not written yet. */
  #strangers(moved: Clocks): number {
    let strangers = 0
    for (const client of moved.keys()) if (!this.#clocks.has(client)) strangers++
    return strangers
  }

  #put(level: number, update: Uint8Array): void {
    this.#levels[level] ??= []
    const pieces = this.#levels[level]
    pieces.push(update)
    this.#bytes += update.length + PIECE_BYTES
    if (pieces.length < PIECES_MAX) return
    this.#levels[level] = []
    for (const { length } of pieces) this.#bytes -= length + PIECE_BYTES
    this.#put(level + 1, mergeUpdates(pieces))
  }
}
