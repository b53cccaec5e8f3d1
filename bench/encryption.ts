import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BranchWriter, ChangeSet, type LogRecord, type Store } from '@weft/core'
import { addMasterKey, type KeyService, openLevelStore, readKeyFile } from '@weft/store-level'
import { Dice, message } from './dice.js'
import { host } from './host.js'
import { Samples } from './measure.js'
import type { Row, Section } from './report.js'

const SINGLE = 200
const BATCH = 1_000
const BATCHES = 20
const SEED = 7
const READ_BYTES = 1_048_576
const TENANT = 't'
const [PLAIN, ENCRYPTED] = ['plain', 'encrypted'] as const
const COLUMNS = [PLAIN, ENCRYPTED] as const

const ROWS = {
  single: ['append and fsync one change', 'us a change'],
  batch: ['append 1,000 at once', 'us a change'],
  read: ['read a log of 20,200 changes', 'us a change'],
  open: ['open the store', 'ms'],
  disk: ['on disk', 'bytes a change'],
} as const

/** The claim: what encryption at rest costs, in the same process on the same disk, turn by turn. */
export async function encryption(rounds: number): Promise<Section[]> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  try {
    await addMasterKey(join(folder, 'weft.keys'), 'new file')
    const keys = await readKeyFile(join(folder, 'weft.keys'))
    const records = makeRecords(SINGLE + BATCH * BATCHES)
    const samples = new Samples()
    // One more, which warms up and is dropped.
    for (let round = 0; round <= rounds; round++) {
      for (const column of round % 2 === 0 ? COLUMNS : COLUMNS.toReversed()) {
        const directory = join(folder, `${column}-${round}`)
        await measure(directory, column === PLAIN ? undefined : keys, records, (row, value) =>
          samples.add(row, column, value),
        )
        await rm(directory, { recursive: true })
      }
      if (round === 0) samples.clear()
    }
    return [sectionOf(samples)]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function measure(
  directory: string,
  keys: KeyService | undefined,
  records: readonly LogRecord[],
  note: (row: keyof typeof ROWS, value: number) => void,
): Promise<void> {
  const open = (): Promise<Store> => openLevelStore(directory, keys ? { encryption: keys } : {})
  let store = await open()
  const append = async (from: number, to: number): Promise<void> => {
    const heads = [records[to - 1]!.id]
    await store
      .tenant(TENANT)
      .append({ records: records.slice(from, to), head: { workflow: 'w', count: to, heads } })
  }
  const single = await timedMs(async () => {
    for (let at = 0; at < SINGLE; at++) await append(at, at + 1)
  })
  note('single', (single * 1_000) / SINGLE)
  const batches = await timedMs(async () => {
    for (let at = SINGLE; at < records.length; at += BATCH) await append(at, at + BATCH)
  })
  note('batch', (batches * 1_000) / (BATCH * BATCHES))
  await store.close()
  const opening = timedMs(async () => {
    store = await open()
  })
  note('open', await opening)
  const read = await timedMs(() => readAll(store, records.length))
  note('read', (read * 1_000) / records.length)
  await store.close()
  note('disk', (await bytesIn(directory)) / records.length)
}

async function readAll(store: Store, count: number): Promise<void> {
  for (let next = 1; next <= count; ) {
    const page = await store.tenant(TENANT).read('w', next, READ_BYTES)
    next += page.length
  }
}

async function timedMs(work: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

function makeRecords(count: number): LogRecord[] {
  const dice = new Dice(SEED)
  const writer = new BranchWriter(new ChangeSet(host.hash), host, 'main', 'agent')
  return Array.from({ length: count }, (_, index) => {
    const { id, bytes } = writer.write({ entries: [{ kind: 'message', value: message(dice) }] })!
    return { position: index + 1, id, bytes }
  })
}

async function bytesIn(directory: string): Promise<number> {
  const names = await readdir(directory)
  const sizes = await Promise.all(names.map(async name => (await stat(join(directory, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

function sectionOf(samples: Samples): Section {
  const rows = Object.entries(ROWS).map(([row, [title, unit]]): Row => {
    const [plain, encrypted] = COLUMNS.map(column => samples.median(row, column))
    const ratio = plain && encrypted && encrypted / plain
    return { title, unit, values: { [PLAIN]: plain, [ENCRYPTED]: encrypted }, ratio }
  })
  const notes = ['messages of 300 bytes; one tenant, one context; what is encrypted cannot be compressed']
  return { title: 'A store with and without encryption', columns: COLUMNS, rows, notes }
}
