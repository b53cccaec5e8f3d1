import { AbstractIterator, AbstractLevel, AbstractSnapshot } from 'abstract-level'
import { find, type Row, type Rows, type RowWrite, seek, type SimDisk } from './disk.js'
import type { SimProcess } from './process.js'

type Format = string | Buffer | Uint8Array

interface ReadOptions {
  readonly snapshot?: RowsSnapshot
}

interface RangeOptions extends ReadOptions {
  readonly gte?: string
  readonly gt?: string
  readonly lte?: string
  readonly lt?: string
  readonly reverse?: boolean
}

/** LevelDB, too, gives fewer than it is asked for; so what goes on page by page can be cut short between two. */
const PAGE_ROWS_MAX = 8

/** A level database on a simulated disk: what the production store runs on in a simulation. */
export class SimLevel extends AbstractLevel<Format, string, Uint8Array> {
  constructor(
    private readonly disk: SimDisk,
    private readonly process: SimProcess,
  ) {
    const encodings = { utf8: true, view: true }
    super({ encodings, explicitSnapshots: true }, { keyEncoding: 'utf8', valueEncoding: 'view' })
  }

  _open(): Promise<void> {
    return this.disk.open(this.process)
  }

  async _get(key: string, { snapshot }: ReadOptions): Promise<Uint8Array | undefined> {
    return find(snapshot?.rows ?? this.disk.rows, key)
  }

  _batch(
    operations: readonly { type: 'put' | 'del'; key: string; value?: Uint8Array }[],
    { sync = false }: { sync?: boolean },
  ): Promise<void> {
    const writes: RowWrite[] = operations.map(({ type, key, value }) => ({
      key,
      value: type === 'put' ? value : undefined,
    }))
    return this.disk.write(this.process, writes, sync)
  }

  _snapshot(options: object): RowsSnapshot {
    return new RowsSnapshot(options, this.disk.rows)
  }

  _iterator(options: RangeOptions): RowsIterator {
    return new RowsIterator(this, options, options.snapshot?.rows ?? this.disk.rows)
  }
}

/** Its types leave out what its constructor takes. */
const SnapshotBase = AbstractSnapshot as unknown as new (options: object) => AbstractSnapshot

class RowsSnapshot extends SnapshotBase {
  constructor(
    options: object,
    readonly rows: Rows,
  ) {
    super(options)
  }
}

class RowsIterator extends AbstractIterator<SimLevel, string, Uint8Array> {
  readonly #first: number
  readonly #end: number
  readonly #step: 1 | -1
  #at: number

  constructor(
    db: SimLevel,
    options: RangeOptions,
    private readonly rows: Rows,
  ) {
    super(db, options as object)
    this.#first = firstOf(rows, options)
    this.#end = endOf(rows, options)
    this.#step = options.reverse ? -1 : 1
    this.#at = options.reverse ? this.#end - 1 : this.#first
  }

  async _next(): Promise<[string, Uint8Array] | undefined> {
    const row = this.#take()
    return row && [row.key, row.value]
  }

  async _nextv(size: number): Promise<[string, Uint8Array][]> {
    const page: [string, Uint8Array][] = []
    const most = Math.min(size, PAGE_ROWS_MAX)
    for (let row = this.#take(); row; row = page.length < most ? this.#take() : undefined) {
      page.push([row.key, row.value])
    }
    return page
  }

  _seek(target: string): void {
    this.#at = Math.max(this.#first, seek(this.rows, target))
  }

  #take(): Row | undefined {
    if (this.#at < this.#first || this.#at >= this.#end) return undefined
    const row = this.rows[this.#at]
    this.#at += this.#step
    return row
  }
}

function firstOf(rows: Rows, { gte, gt }: RangeOptions): number {
  if (gt !== undefined) return seek(rows, `${gt}\0`)
  return gte === undefined ? 0 : seek(rows, gte)
}

function endOf(rows: Rows, { lte, lt }: RangeOptions): number {
  if (lt !== undefined) return seek(rows, lt)
  return lte === undefined ? rows.length : seek(rows, `${lte}\0`)
}
