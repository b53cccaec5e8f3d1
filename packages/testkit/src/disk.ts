import type { Dice } from './dice.js'
import type { SimProcess } from './process.js'
import type { Scheduler } from './scheduler.js'

/** Rows by ascending key. Never changed: a write makes others. So a snapshot is a reference, and so is a backup. */
export type Rows = readonly Row[]
export interface Row {
  readonly key: string
  readonly value: Uint8Array
}

/** What a batch does to one key; without a value it removes it. */
export interface RowWrite {
  readonly key: string
  readonly value: Uint8Array | undefined
}

interface Batch {
  readonly writes: readonly RowWrite[]
  readonly sync: boolean
  cancel(): void
}

interface Damage {
  readonly key: string
  readonly sound: Uint8Array
  readonly damaged: Uint8Array
}

export type DiskTrouble = 'none' | 'eio' | 'enospc'

const WRITE_MS = { least: 0.05, most: 2 }
/** Of the bits that flip: head records are few, and nothing else says where a log ends. */
const HEADS_SHARE = 0.25

/**
 * A disk under LevelDB, as far as its promises go: a batch with `sync` is there whole after a power cut, one without is
 * there after a crash of the process and perhaps gone after a power cut, and a failed one may be there or not.
 */
export class SimDisk {
  trouble: DiskTrouble = 'none'
  /** What comes on top of each write's time. */
  stall_ms = 0
  #written: Rows = []
  #durable: Rows = []
  #unsynced: RowWrite[] = []
  #inFlight: Batch[] = []
  #damages: Damage[] = []
  /** What is missing of a batch that was torn. */
  #missing: readonly RowWrite[] = []

  /** @param onDurable told of all that becomes durable, when it does, and of all that is then */
  constructor(
    private readonly scheduler: Scheduler,
    private readonly dice: Dice,
    private readonly onDurable: (writes: readonly RowWrite[], rows: Rows) => void,
  ) {}

  /** As the running process sees it. */
  get rows(): Rows {
    return this.#written
  }

  /** As a power cut would leave it now. */
  get durable(): Rows {
    return this.#durable
  }

  /** Another disk with what is durable on this one. */
  copy(): SimDisk {
    const copy = new SimDisk(this.scheduler, this.dice, () => {})
    copy.#written = this.#durable
    copy.#durable = this.#durable
    return copy
  }

  get isDamaged(): boolean {
    return this.#damages.length > 0 || this.#missing.length > 0
  }

  /** What LevelDB does when it opens: its log is replayed into a table, and that is synced. */
  open(process: SimProcess): Promise<void> {
    return this.#later(process, 'disk open', () => {
      if (this.trouble !== 'none') throw diskError(this.trouble)
      this.#sync()
    }).done
  }

  write(process: SimProcess, writes: readonly RowWrite[], sync: boolean): Promise<void> {
    const { done, cancel } = this.#later(process, 'disk write', () => {
      this.#inFlight = this.#inFlight.filter(other => other !== batch)
      this.#apply(batch)
    })
    const batch = { writes, sync, cancel }
    if (!process.isDead) this.#inFlight.push(batch)
    return done
  }

  /** The process was killed: what it was writing is there whole or not at all. */
  processDied(): void {
    for (const batch of this.#inFlight.splice(0)) {
      batch.cancel()
      if (this.dice.chance(0.5)) this.#write(batch.writes)
    }
  }

  /** @param torn whether of what was being written a part may be there: a disk that breaks its promise */
  powerCut(torn: boolean): void {
    const [batch] = this.#inFlight
    for (const { cancel } of this.#inFlight.splice(0)) cancel()
    this.#written = this.#durable
    this.#unsynced = []
    if (batch?.sync !== true) return
    if (torn && batch.writes.length > 1) this.#tear(batch.writes)
    else if (this.dice.chance(0.5)) {
      this.#write(batch.writes)
      this.#sync()
    }
  }

  /** One bit of one row is another. @returns what was hit; undefined on an empty disk */
  flip(dice: Dice): string | undefined {
    const rows = this.#durable.filter(({ key, value }) => value.length > 0 && !key.startsWith('!'))
    if (rows.length === 0) return undefined
    const heads = rows.filter(({ key }) => isHead(key))
    // In the middle of a drop there may be records alone.
    const { key, value } = dice.pick(dice.chance(HEADS_SHARE) && heads.length > 0 ? heads : rows)
    const damaged = Uint8Array.from(value)
    damaged[dice.below(damaged.length)]! ^= 1 << dice.below(8)
    this.#damages.push({ key, sound: value, damaged })
    const writes = [{ key, value: damaged }]
    this.#durable = withWrites(this.#durable, writes)
    // What the process has written over it since is another row.
    if (find(this.#written, key) === value) this.#written = withWrites(this.#written, writes)
    return key
  }

  /** Brings back what was damaged and what is missing, as a backup would; what was written over it since stays. */
  restore(): void {
    for (const { key, sound, damaged } of this.#damages.splice(0).reverse()) {
      const writes = [{ key, value: sound }]
      if (find(this.#durable, key) === damaged) this.#durable = withWrites(this.#durable, writes)
      if (find(this.#written, key) === damaged) this.#written = withWrites(this.#written, writes)
    }
    const missing = this.#missing
    this.#missing = []
    if (missing.length > 0) this.#setAll(missing)
  }

  /** Everything is as it was when these rows were durable. @returns the keys that are gone */
  rollBack(rows: Rows): string[] {
    const gone = this.#durable.filter(({ key }) => find(rows, key) === undefined).map(({ key }) => key)
    this.#inFlight = []
    this.#unsynced = []
    this.#durable = rows
    this.#written = rows
    return gone
  }

  #apply({ writes, sync }: Batch): void {
    const { trouble } = this
    if (trouble === 'enospc') throw diskError(trouble)
    if (trouble === 'none' || this.dice.chance(0.6)) this.#write(writes)
    if (trouble === 'none' && sync) this.#sync()
    if (trouble === 'eio') throw diskError(trouble)
  }

  #write(writes: readonly RowWrite[]): void {
    this.#written = withWrites(this.#written, writes)
    this.#unsynced.push(...writes)
  }

  #sync(): void {
    const writes = this.#unsynced.filter(write => isNews(this.#durable, write))
    this.#unsynced = []
    this.#durable = this.#written
    // Of a context that is gone a backup has nothing to bring back.
    const gone = new Set(writes.filter(({ value }) => value === undefined).map(contextOf))
    this.#missing = this.#missing.filter(write => !gone.has(contextOf(write)))
    if (writes.length > 0) this.onDurable(writes, this.#durable)
  }

  /** Some of its rows are there, and some are not. */
  #tear(writes: readonly RowWrite[]): void {
    const count = 1 + this.dice.below(writes.length - 1)
    const there = writes.slice(0, count)
    const torn = new Set(there.map(contextOf))
    // A context of which nothing is there is sound as it was, and goes on from that.
    const missing = writes.slice(count).filter(write => torn.has(contextOf(write)))
    this.#missing = [...this.#missing, ...missing]
    this.#setAll(there)
  }

  /** Beside all writing: what is on the disk is another thing from now on. */
  #setAll(writes: readonly RowWrite[]): void {
    const news = writes.filter(write => isNews(this.#durable, write))
    this.#durable = withWrites(this.#durable, writes)
    this.#written = withWrites(this.#written, writes)
    this.onDurable(news, this.#durable)
  }

  /** The disk works on while a process is frozen; that hears of it when it can. A dead one asks for nothing. */
  #later(process: SimProcess, label: string, act: () => void): { done: Promise<void>; cancel: () => void } {
    let cancel = (): void => {}
    const done = new Promise<void>((resolve, reject) => {
      const answer = (settle: () => void): void => {
        if (process.isFrozen) this.scheduler.plan(0, `${label} answered`, settle, process)
        else if (!process.isDead) settle()
      }
      const run = (): void => {
        try {
          act()
          answer(resolve)
        } catch (error) {
          answer(() => reject(error))
        }
      }
      if (process.isDead) return
      const took_ms = this.dice.between(WRITE_MS.least, WRITE_MS.most) + this.stall_ms
      cancel = this.scheduler.plan(took_ms, label, run)
    })
    return { done, cancel: () => cancel() }
  }
}

/** The place of the first row whose key is not below `key`. */
export function seek(rows: Rows, key: string): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (rows[middle]!.key < key) low = middle + 1
    else high = middle
  }
  return low
}

export function find(rows: Rows, key: string): Uint8Array | undefined {
  const row = rows[seek(rows, key)]
  return row?.key === key ? row.value : undefined
}

/** Whether it makes a difference: a row that is not there cannot be removed. */
function isNews(rows: Rows, { key, value }: RowWrite): boolean {
  return value !== undefined || find(rows, key) !== undefined
}

/** What belongs together: the rows of one context, whose heads and records lie apart; each of the store's own by itself. */
function contextOf({ key }: RowWrite): string {
  if (key.startsWith('!')) return key
  const [tenant, , workflow] = key.split('\0')
  return `${tenant} ${workflow}`
}

function isHead(key: string): boolean {
  return key.split('\0')[1] === 'h'
}

function withWrites(rows: Rows, writes: readonly RowWrite[]): Rows {
  const next = [...rows]
  for (const { key, value } of writes) {
    const at = seek(next, key)
    const replaced = next[at]?.key === key ? 1 : 0
    if (value === undefined) next.splice(at, replaced)
    else next.splice(at, replaced, { key, value })
  }
  return next
}

function diskError(trouble: DiskTrouble): Error {
  const text = trouble === 'eio' ? 'Input/output error' : 'No space left on device'
  return Object.assign(new Error(`IO error: ${text}`), { code: 'LEVEL_IO_ERROR' })
}
