import { compact, type Database } from '../base/database.js'
import { ERASING_KEYS, erasedBetween, erasingKey } from '../base/keys.js'
import { Readers } from '../base/readers.js'
import type { GroupWriter } from './group-writer.js'

export interface Put {
  readonly key: string
  readonly value: Uint8Array
}

const NOTHING = new Uint8Array()

/** Records that are written over, with the mark that says so until their old values have left the disk. */
export function scrubbing(rewritten: readonly Put[]): Put[] {
  if (rewritten.length === 0) return []
  const keys = rewritten.map(({ key }) => key).sort()
  return [...rewritten, { key: erasingKey(keys[0]!, keys.at(-1)!), value: NOTHING }]
}

/**
 * Brings what was erased off the disk (ERA-1). LevelDB keeps an old value in its journal and tables until those are written
 * anew, so that is what is done, after the commit and beside all other work. What is not done when the store closes, or
 * its process dies, is done at the next opening: until then a mark stands for it.
 */
export class Scrubber {
  readonly readers = new Readers()
  #stop = (): void => {}
  readonly #stopped = new Promise<void>(resolve => {
    this.#stop = resolve
  })
  #isDue = false
  #running: Promise<void> | undefined

  constructor(
    private readonly db: Database,
    private readonly writer: GroupWriter,
  ) {}

  /** Goes on with what an earlier process has left. */
  async resume(): Promise<void> {
    const marks = await this.db.keys({ ...ERASING_KEYS, limit: 1 }).all()
    if (marks.length > 0) this.begin()
  }

  begin(): void {
    this.#isDue = true
    this.#running ??= this.#run()
  }

  /** Waits for nobody any more. Resolves when nothing is being done. */
  async end(): Promise<void> {
    this.#stop()
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      while (this.#isDue) {
        this.#isDue = false
        for (const mark of await this.db.keys(ERASING_KEYS).all()) await this.#scrub(mark)
      }
    } catch {
      // The store has failed or is closing, and the marks that are left say what is to be done at the next opening.
    } finally {
      this.#running = undefined
    }
  }

  /**
   * The first compaction writes the journal into tables, and LevelDB may put a table with both values of a key where no
   * compaction of this range comes by. A deletion on either side, of keys that never were, makes the second one do so. What
   * it was done beside may have been held by a reader from before: the third removes the files that are left of that.
   */
  async #scrub(mark: string): Promise<void> {
    const { first, last } = erasedBetween(mark) ?? EVERYTHING
    const [before, after] = [first.slice(0, -1), `${last}\0`]
    const deletions = [
      { key: before, value: null },
      { key: after, value: null },
    ]
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.race([this.readers.left(), this.#stopped])
      await compact(this.db, before, after)
      await this.writer.write({ tenant: '', operations: deletions })
    }
    await this.writer.write({ tenant: '', operations: [{ key: mark, value: null }] })
  }
}

const ROUNDS = 3
/** For a mark that is damaged. */
const EVERYTHING = { first: '! ', last: '\x7e' }
