import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPeer } from '@weft/peer'
import { openLevelStore } from '@weft/store-level'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { headKey, rawDatabase, recordKey } from '../contract/level-harness.ts'
import { seededDice } from '../support/core-property.ts'
import { corrupt, KINDS } from '../support/corruption.ts'
import { CliPeer, SECRET } from '../support/cli-peer.ts'
import { weftHere, weftJson } from '../support/cli-run.ts'

type Raw = ReturnType<typeof rawDatabase>

interface Report {
  readonly contexts: readonly {
    readonly context: string
    readonly outcome: string
    readonly kept: number
    readonly changes: number
    readonly filled: readonly number[]
    readonly missing: readonly number[]
  }[]
  readonly proven: boolean
}

let sound: CliPeer
let folder: string
let backup: string
let exported: string
const digests = new Map<string, string>()

beforeAll(async () => {
  sound = await CliPeer.start()
  folder = await mkdtemp(join(tmpdir(), 'weft-repair-'))
  for (const workflow of ['wf-1', 'wf-2', 'wf-3']) digests.set(workflow, await sound.seed(workflow))
  await sound.seed('wf-1', { tenant: 'zeta' })
  exported = join(folder, 'wf-2.jsonl')
  await weftJson(['export', 'wf-2', '-o', exported], { env: await sound.env() })
  await sound.peer.close()
  backup = join(folder, 'backup')
  await weftJson(['backup', '--data', sound.data, '--to', backup])
})

afterAll(async () => {
  for (const each of [sound.folder, folder]) await rm(each, { recursive: true, force: true })
})

let made = 0

async function damaged(
  damage: (db: Raw, data: string) => Promise<void>,
): Promise<{ data: string; to: string }> {
  const data = join(folder, `damaged-${++made}`)
  await cp(sound.data, data, { recursive: true })
  const db = rawDatabase(data)
  await db.open()
  await damage(db, data)
  await db.close()
  return { data, to: join(folder, `repaired-${made}`) }
}

function compact(db: Raw): Promise<void> {
  return (db as Raw & { compactRange(start: string, end: string): Promise<void> }).compactRange('', '\x7f')
}

async function flip(db: Raw, key: string): Promise<void> {
  const value = (await db.get(key))!
  value[value.length >> 1]! ^= 1
  await db.put(key, value)
}

async function repair(
  args: readonly string[],
  env = {},
): Promise<{ code: number | null; report: Report; stderr: string }> {
  const { code, stdout, stderr } = await weftHere(['repair', ...args, '--json'], { env })
  return { code, stderr, report: (stdout ? JSON.parse(stdout) : undefined) as Report }
}

async function digestsServedBy(data: string): Promise<Map<string, string>> {
  const peer = await startPeer({
    openStore: () => openLevelStore(data),
    key: { kind: 'secret', secret: SECRET },
    port: 0,
  })
  try {
    const served = new Map<string, string>()
    const env = { WEFT_URL: peer.url, WEFT_TOKEN: await sound.token() }
    for (const workflow of digests.keys()) {
      const file = join(folder, 'served.jsonl')
      const { code } = await weftHere(['export', workflow, '-o', file], { env })
      if (code === 0) served.set(workflow, JSON.parse((await readFile(file, 'utf8')).split('\n')[0]!).digest)
    }
    return served
  } finally {
    await peer.close()
  }
}

const of = (report: Report, context: string) => report.contexts.find(each => each.context === context)

describe('weft repair', () => {
  test.each<[string, (db: Raw) => Promise<void>, object]>([
    ['a flipped bit', db => flip(db, recordKey('acme', 'wf-2', 7)), { kept: 11, filled: [7] }],
    [
      'lost changes',
      db => db.batch([3, 4, 12].map(at => ({ type: 'del', key: recordKey('acme', 'wf-2', at) }))),
      { kept: 9, filled: [3, 4, 12] },
    ],
    ['a lost head', db => db.del(headKey('acme', 'wf-2')), { kept: 12, filled: [] }],
    ['a damaged head', db => flip(db, headKey('acme', 'wf-2')), { kept: 12, filled: [] }],
  ])('[DUR-4] makes a whole store of one with %s, from a backup, and proves it', async (_, damage, expected) => {
    const { data, to } = await damaged(damage)
    const before = await readdir(data)
    const { code, report } = await repair(['--data', data, '--to', to, '--from', backup])
    expect(code).toBe(0)
    expect(of(report, 'acme/wf-2')).toMatchObject({
      outcome: 'filled',
      changes: 12,
      missing: [],
      ...expected,
    })
    expect(report.contexts.filter(({ outcome }) => outcome === 'sound')).toHaveLength(3)
    expect(report.proven).toBe(true)
    expect((await weftHere(['verify', '--data', to])).code).toBe(0)
    expect(await digestsServedBy(to)).toEqual(digests)
    expect((await readdir(data)).filter(name => name !== 'LOCK')).toEqual(
      before.filter(name => name !== 'LOCK'),
    )
  })

  test('[DUR-4] fills from an export, and from a peer that holds a copy', async () => {
    const damage = (db: Raw) => flip(db, recordKey('acme', 'wf-2', 7))
    const first = await damaged(damage)
    const fromFile = await repair([
      '--data',
      first.data,
      '--to',
      first.to,
      '--tenant',
      'acme',
      '--from',
      exported,
    ])
    expect([fromFile.code, fromFile.report.proven]).toEqual([0, true])
    const copy = await startPeer({
      openStore: () => openLevelStore(first.to),
      key: { kind: 'secret', secret: SECRET },
      port: 0,
    })
    onTestFinished(() => copy.close())
    const second = await damaged(damage)
    const env = { WEFT_TOKEN: await sound.token({ scopes: ['read'] }) }
    const fromPeer = await repair(['--data', second.data, '--to', second.to, '--from', copy.url], env)
    expect([fromPeer.code, fromPeer.report.proven]).toEqual([0, true])
    expect(await digestsServedBy(second.to)).toEqual(digests)
  })

  test.each(
    KINDS,
  )('[DUR-4] whatever a %s does to its files, all is made whole from a backup, or it says what is not', async kind => {
    for (let n = 0; n < 3; n++) {
      const { data, to } = await damaged(compact)
      const what = await corrupt(data, kind, seededDice(KINDS.indexOf(kind) * 100 + n))
      const { code, report, stderr } = await repair(['--data', data, '--to', to, '--from', backup])
      if (code === 0) {
        expect([what, report.proven]).toEqual([what, true])
        expect(await digestsServedBy(to)).toEqual(digests)
      } else {
        expect([what, stderr]).toEqual([what, expect.stringMatching(/WEFT_(STORE|USAGE)/)])
      }
    }
  })

  test('[DUR-4] one block of a table that cannot be read costs what is in it, and a backup brings that back', async () => {
    const { data, to } = await damaged(compact)
    const name = (await readdir(data)).find(each => each.endsWith('.ldb'))!
    const bytes = await readFile(join(data, name))
    // In the first block of several.
    bytes.fill(0, 100, 400)
    await writeFile(join(data, name), bytes)
    // A context that is all in this block is gone without a trace.
    const refused = await repair(['--data', data, '--to', to])
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('3 contexts of 4')])
    const { report } = await repair(['--data', data, '--to', to, '--accept-loss', 'store'])
    expect(report.contexts).toHaveLength(3)
    expect(report.contexts.filter(({ outcome }) => outcome === 'sound').length).toBeGreaterThan(0)
    expect(report.proven).toBe(false)
    const filled = await repair(['--data', data, '--to', `${to}-filled`, '--from', backup])
    expect([filled.code, filled.report.proven]).toEqual([0, true])
    expect(await digestsServedBy(`${to}-filled`)).toEqual(digests)
  })

  test('[DUR-4] what nobody holds stays in quarantine, all the rest is served', async () => {
    const { data, to } = await damaged(async db => {
      await flip(db, recordKey('acme', 'wf-2', 7))
      await db.del(headKey('acme', 'wf-3'))
    })
    const dry = await repair(['--data', data, '--to', to, '--dry-run'])
    const { code, report } = await repair(['--data', data, '--to', to])
    expect(dry.report).toEqual({ ...report, dryRun: true })
    expect(code).toBe(1)
    expect(of(report, 'acme/wf-2')).toMatchObject({ outcome: 'quarantined', kept: 11, missing: [7] })
    expect(of(report, 'acme/wf-3')).toMatchObject({ outcome: 'filled', kept: 12 })
    expect(report.proven).toBe(true)
    const served = await digestsServedBy(to)
    expect(served).toEqual(new Map([...digests].filter(([workflow]) => workflow !== 'wf-2')))
    // Once more, with what has been found since.
    const again = await repair(['--data', to, '--to', `${to}-again`, '--from', backup])
    expect([again.code, again.report.proven]).toEqual([0, true])
    expect(await digestsServedBy(`${to}-again`)).toEqual(digests)
  })

  test('[DUR-4] a context without a head that is shorter than it was is not passed off as whole', async () => {
    const { data, to } = await damaged(async db => {
      await db.del(headKey('acme', 'wf-2'))
      await db.del(recordKey('acme', 'wf-2', 12))
    })
    const { code, report } = await repair(['--data', data, '--to', to])
    expect(code).toBe(1)
    expect(of(report, 'acme/wf-2')).toMatchObject({ outcome: 'quarantined', kept: 11 })
    expect(report.proven).toBe(false)
    expect((await digestsServedBy(to)).has('wf-2')).toBe(false)
    const accepted = await repair(['--data', data, '--to', `${to}-accepted`, '--accept-loss', 'acme/wf-2'])
    expect(of(accepted.report, 'acme/wf-2')).toMatchObject({ outcome: 'filled', changes: 11 })
    expect((await digestsServedBy(`${to}-accepted`)).has('wf-2')).toBe(true)
  })

  test('[DUR-4] cuts a context only where its loss is accepted', async () => {
    const { data, to } = await damaged(db => flip(db, recordKey('acme', 'wf-2', 7)))
    const { code, report } = await repair(['--data', data, '--to', to, '--accept-loss', 'acme/wf-2'])
    expect(code).toBe(0)
    expect(of(report, 'acme/wf-2')).toMatchObject({
      outcome: 'cut',
      changes: 6,
      missing: [7, 8, 9, 10, 11, 12],
    })
    expect(report.proven).toBe(false)
    const store = await openLevelStore(to)
    expect((await store.tenant('acme').head('wf-2'))?.count).toBe(6)
    await store.close()
  })

  test('[DUR-4] refuses a result that lacks what was lost without a trace, unless a backup has it or it is accepted', async () => {
    const { data, to } = await damaged(async db => {
      await db.del(headKey('acme', 'wf-2'))
      for (let at = 1; at <= 12; at++) await db.del(recordKey('acme', 'wf-2', at))
    })
    const refused = await repair(['--data', data, '--to', to])
    expect(refused.code).toBe(4)
    expect(refused.stderr).toContain('3 contexts of 4')
    expect(await readdir(folder)).not.toContain(to)
    const filled = await repair(['--data', data, '--to', to, '--from', backup])
    expect([filled.code, filled.report.proven]).toEqual([0, true])
    expect(of(filled.report, 'acme/wf-2')).toMatchObject({ outcome: 'added', changes: 12 })
    expect(await digestsServedBy(to)).toEqual(digests)
    const accepted = await repair(['--data', data, '--to', `${to}-less`, '--accept-loss', 'store'])
    expect([accepted.code, accepted.report.proven]).toEqual([0, false])
    expect((await digestsServedBy(`${to}-less`)).size).toBe(2)
  })

  test('[DUR-4] a source that holds another history, or is damaged itself, is not used', async () => {
    const other = await CliPeer.start()
    await other.seed('wf-2')
    const foreign = join(folder, 'foreign.jsonl')
    await weftJson(['export', 'wf-2', '-o', foreign], { env: await other.env() })
    await other.stop()
    const bad = join(folder, 'bad-backup')
    await cp(backup, bad, { recursive: true })
    for (const name of await readdir(join(bad, 'contexts'))) {
      const bytes = await readFile(join(bad, 'contexts', name))
      bytes[bytes.length >> 1]! ^= 1
      await writeFile(join(bad, 'contexts', name), bytes)
    }
    const { data, to } = await damaged(db => flip(db, recordKey('acme', 'wf-2', 7)))
    const { code, report } = await repair([
      '--data',
      data,
      '--to',
      to,
      '--tenant',
      'acme',
      '--from',
      foreign,
      '--from',
      bad,
      '--dry-run',
    ])
    expect(code).toBe(1)
    expect(of(report, 'acme/wf-2')).toMatchObject({
      outcome: 'quarantined',
      filled: [],
      // The first change, which follows from the definition, is the same.
      disagreeing: [{ position: 2 }],
    })
  })

  test('refuses a directory that is there already, and one that a peer has open', async () => {
    const { data, to } = await damaged(async () => {})
    expect((await repair(['--data', data, '--to', data])).code).toBe(2)
    const mistyped = await repair(['--data', data, '--to', to, '--accept-loss', 'acme/wf-9'])
    expect([mistyped.code, mistyped.stderr]).toEqual([2, expect.stringContaining('acme/wf-9')])
    const store = await openLevelStore(data)
    onTestFinished(() => store.close())
    const { code, stderr } = await repair(['--data', data, '--to', to])
    expect([code, stderr]).toEqual([4, expect.stringContaining('WEFT_STORE_LOCKED')])
  })
})
