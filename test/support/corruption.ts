import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BranchWriter, ChangeSet, type LogRecord } from '@weft/core'
import { openLevelStore } from '@weft/store-level'
import { rawDatabase } from '../contract/level-harness.ts'
import { type Dice, seededHost, sha256 } from './core-property.ts'

/** The ids of every context in the order of its log, by `tenant/workflow`. */
export type Sealed = ReadonlyMap<string, readonly string[]>

const TENANTS = ['acme', 'acme-2', 'zeta']
const WORKFLOWS = ['wf-1', 'wf-2', 'wf-3', 'wf-4']
const ROUNDS = 3
const BLOCK_BYTES = 4_096

/** Where the changes of a store lie: all in the journal, in one table and a journal, or in several tables and a journal. */
export const LAYOUTS = ['journal', 'compacted', 'tables'] as const
export type Layout = (typeof LAYOUTS)[number]

/** Makes a store and says what it holds. Equal seeds make equal changes. */
export async function sealedStore(directory: string, layout: Layout, seed: number): Promise<Sealed> {
  const writers = new Map(
    TENANTS.flatMap(tenant => WORKFLOWS.map(workflow => `${tenant}/${workflow}`)).map((key, index) => [
      key,
      new Log(seed * 100 + index),
    ]),
  )
  let store = await openLevelStore(directory)
  for (let round = 0; round < ROUNDS; round++) {
    for (const [key, log] of writers) {
      const [tenant, workflow] = key.split('/') as [string, string]
      // Each a commit of its own, as a slow writer makes them.
      for (let n = 0; n < 4; n++) {
        const records = log.next(1 + (n % 3))
        const { position: count, id } = records.at(-1)!
        await store.tenant(tenant).append({ records, head: { workflow, count, heads: [id] } })
      }
    }
    if (layout === 'journal' || round === ROUNDS - 1) continue
    await store.close()
    if (layout === 'compacted') await compact(directory)
    // LevelDB makes a table of its journal when it opens.
    store = await openLevelStore(directory)
  }
  await store.close()
  return new Map([...writers].map(([key, { ids }]) => [key, ids]))
}

class Log {
  readonly ids: string[] = []
  readonly #writer: BranchWriter

  constructor(seed: number) {
    this.#writer = new BranchWriter(new ChangeSet(sha256), seededHost(seed), 'main', 'agent')
  }

  next(count: number): LogRecord[] {
    return Array.from({ length: count }, () => {
      const position = this.ids.length + 1
      const value = { position, text: 'words '.repeat(10 + ((position * 37) % 120)) }
      const { id, bytes } = this.#writer.write({ entries: [{ kind: 'message', value }] })!
      this.ids.push(id)
      return { position, id, bytes }
    })
  }
}

async function compact(directory: string): Promise<void> {
  const db = rawDatabase(directory)
  await db.open()
  await (db as typeof db & { compactRange(start: string, end: string): Promise<void> }).compactRange(
    '',
    '\x7f',
  )
  await db.close()
}

export const KINDS = ['bit', 'truncation', 'zeroed block', 'missing file'] as const
export type Kind = (typeof KINDS)[number]

/** Damages a store once. @returns what was done, for people */
export async function corrupt(directory: string, kind: Kind, dice: Dice): Promise<string> {
  const entries = (await readdir(directory, { withFileTypes: true })).filter(entry => entry.isFile())
  const names = entries
    .map(({ name }) => name)
    .filter(name => !/^(LOCK|LOG(\.old)?)$/.test(name))
    .sort()
  const sizes = await Promise.all(names.map(async name => (await stat(join(directory, name))).size))
  const candidates = names.filter((_, index) => kind === 'missing file' || sizes[index]! > 0)
  const file = candidates[dice(candidates.length)]!
  const path = join(directory, file)
  if (kind === 'missing file') {
    await rm(path)
    return `${file} is missing`
  }
  const bytes = await readFile(path)
  const at = dice(bytes.length)
  if (kind === 'truncation') {
    await truncate(path, at)
    return `${file} is cut at ${at} of ${bytes.length}`
  }
  if (kind === 'bit') {
    bytes[at]! ^= 1 << dice(8)
    await writeFile(path, bytes)
    return `${file} has a flipped bit at ${at} of ${bytes.length}`
  }
  const block = at - (at % BLOCK_BYTES)
  bytes.fill(0, block, Math.min(block + BLOCK_BYTES, bytes.length))
  await writeFile(path, bytes)
  return `${file} has zeros from ${block} on, of ${bytes.length}`
}
