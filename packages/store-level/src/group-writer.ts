import { bytesOf, countForBatch, lastHeads, type Write } from './batching.js'
import type { Database } from './database.js'
import type { Gate } from './gate.js'
import { encodeHead } from './head-codec.js'

interface Pending {
  readonly write: Write
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/**
 * Group commit: at most one fsynced batch is in flight, and what arrives meanwhile shares the next one. Writes land
 * in the order in which they came.
 */
export class GroupWriter {
  #queue: Pending[] = []
  #running: Promise<void> | undefined

  constructor(
    private readonly db: Database,
    private readonly gate: Gate,
    private readonly batch_bytes_max: number,
  ) {}

  /** Resolves when it is fsynced (DUR-1). @throws WEFT_STORE_FAILED · WEFT_STORE_CLOSED */
  write(write: Write): Promise<void> {
    this.gate.check()
    return new Promise((resolve, reject) => {
      this.#queue.push({ write, bytes: bytesOf(write), resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing is queued or in flight. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    // Lets the other writes of this turn join the first batch.
    await undefined
    while (this.#queue.length > 0) {
      const taken = this.#queue.splice(0, countForBatch(this.#queue, this.batch_bytes_max))
      try {
        await this.#commit(taken.map(({ write }) => write))
      } catch (thrown) {
        const failure = this.gate.fail(thrown)
        for (const { reject } of [...taken, ...this.#queue.splice(0)]) reject(failure)
        break
      }
      for (const { resolve } of taken) resolve()
    }
    this.#running = undefined
  }

  /** A chained batch: with batches of 16 and more it takes half the time of an array of operations. */
  async #commit(writes: readonly Write[]): Promise<void> {
    const batch = this.db.batch()
    for (const { operations } of writes) {
      for (const { key, value } of operations) {
        if (value === null) batch.del(key)
        else batch.put(key, value)
      }
    }
    for (const [key, head] of lastHeads(writes)) batch.put(key, encodeHead(key, head))
    await batch.write({ sync: true })
  }
}
