import { cp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { headKey, rawDatabase, recordKey } from '../contract/level-harness.ts'
import { CliPeer } from '../support/cli-peer.ts'
import { weft, weftHere } from '../support/cli-run.ts'

type Raw = ReturnType<typeof rawDatabase>

let sound: CliPeer

beforeAll(async () => {
  sound = await CliPeer.start()
  await Promise.all([
    sound.seed('wf-1'),
    sound.seed('wf-2'),
    sound.seed('wf-1', { tenant: 'zeta' }),
    sound.seed('wf-3', { tenant: 'zeta' }),
  ])
  await sound.peer.close()
})

afterAll(() => rm(sound.folder, { recursive: true, force: true }))

/** The directory of a peer that has been damaged behind its back. */
async function damaged(name: string, damage: (db: Raw) => Promise<void>): Promise<string> {
  const folder = join(sound.folder, name)
  await cp(sound.data, join(folder, 'data'), { recursive: true })
  const db = rawDatabase(join(folder, 'data'))
  await db.open()
  await damage(db)
  await db.close()
  return folder
}

/** Moves all that is in the log of LevelDB into its tables. */
function compact(db: Raw): Promise<void> {
  return (db as Raw & { compactRange(start: string, end: string): Promise<void> }).compactRange('', '\x7f')
}

async function flip(db: Raw, key: string): Promise<void> {
  const value = (await db.get(key))!
  value[value.length >> 1]! ^= 1
  await db.put(key, value)
}

interface Context {
  readonly tenant: string
  readonly workflow: string
  readonly changes: number
  readonly ok: boolean
  readonly problems: readonly { readonly at: string; readonly code: string }[]
}

async function verify(folder: string): Promise<{ code: number | null; contexts: Context[] }> {
  const { code, stdout, stderr } = await weftHere(['verify', '--data', join(folder, 'data'), '--json'])
  expect(stderr).toBe('')
  return { code, contexts: (JSON.parse(stdout) as { contexts: Context[] }).contexts }
}

describe('verify of a data directory', () => {
  test('finds every context of every tenant sound', async () => {
    const { code, contexts } = await verify(sound.folder)
    expect(code).toBe(0)
    expect(contexts.map(({ tenant, workflow, changes, ok }) => [tenant, workflow, changes, ok])).toEqual([
      ['acme', 'wf-1', 12, true],
      ['acme', 'wf-2', 12, true],
      ['zeta', 'wf-1', 12, true],
      ['zeta', 'wf-3', 12, true],
    ])
  })

  test.each<[string, (db: Raw) => Promise<void>, string]>([
    ['a flipped bit in a change', db => flip(db, recordKey('acme', 'wf-2', 7)), 'position 7'],
    ['a change that is gone', db => db.del(recordKey('acme', 'wf-2', 5)), 'position 5'],
    ['a last change that is gone', db => db.del(recordKey('acme', 'wf-2', 12)), 'position 12'],
    ['a head that is gone', db => db.del(headKey('acme', 'wf-2')), 'position 12'],
    ['a flipped bit in a head', db => flip(db, headKey('acme', 'wf-2')), 'head'],
  ])('[DUR-4] finds %s, and the others sound', async (name, damage, at) => {
    const { code, contexts } = await verify(await damaged(name.replaceAll(' ', '-'), damage))
    expect(code).toBe(1)
    const bad = contexts.filter(({ ok }) => !ok)
    expect(bad.map(({ tenant, workflow }) => [tenant, workflow])).toEqual([['acme', 'wf-2']])
    expect(bad[0]!.problems[0]).toMatchObject({ at, code: 'WEFT_STORE_CORRUPT' })
    expect(contexts).toHaveLength(4)
  })

  test('[DUR-4] finds two changes that changed places, each sound by itself', async () => {
    const folder = await damaged('swapped', async db => {
      const keys = [3, 4].map(position => recordKey('acme', 'wf-2', position))
      const [third, fourth] = await Promise.all(keys.map(key => db.get(key)))
      await db.put(keys[0]!, fourth!)
      await db.put(keys[1]!, third!)
    })
    const { code, contexts } = await verify(folder)
    expect([code, contexts.filter(({ ok }) => !ok).map(({ workflow }) => workflow)]).toEqual([1, ['wf-2']])
  })

  test('[DUR-4] says so when LevelDB cannot read its tables', async () => {
    const folder = await damaged('zeroed', compact)
    const names = (await readdir(join(folder, 'data'))).filter(name => /\.(ldb|sst)$/.test(name))
    for (const name of names) {
      const file = join(folder, 'data', name)
      await writeFile(file, Buffer.alloc((await stat(file)).size))
    }
    expect(names.length).toBeGreaterThan(0)
    const { code, contexts } = await verify(folder)
    expect(code).toBe(1)
    expect(contexts.at(-1)).toMatchObject({
      ok: false,
      problems: [
        { at: names[0], code: 'WEFT_STORE_CORRUPT' },
        { at: 'store', code: 'WEFT_STORE_CORRUPT' },
      ],
    })
  })

  test('[DUR-4] outlives an abort of LevelDB, which takes its process with it', async () => {
    const abort = join(sound.folder, 'abort.cjs')
    await writeFile(abort, "if (process.argv[1].endsWith('store-check-child.js')) process.abort()")
    const env = { NODE_OPTIONS: `--require ${abort}` }
    const { code, stdout } = await weft(['verify', '--data', sound.data], { env })
    expect(stdout).toMatch(
      /WEFT_STORE_CORRUPT LevelDB ended the process that read the store in \S+ \(SIGABRT\)/,
    )
    expect(code).toBe(1)
  })
})

test('[DUR-4] verify of a workflow at a running peer that cannot serve it exits with 1', async () => {
  const folder = await damaged('served', db => flip(db, recordKey('acme', 'wf-2', 7)))
  const peer = await CliPeer.start(folder)
  const env = await peer.env()
  const results = await Promise.all(
    ['wf-1', 'wf-2'].map(workflow => weftHere(['verify', workflow, '--json'], { env })),
  )
  await peer.stop()
  expect(results.map(({ code }) => code)).toEqual([0, 1])
  expect(results[1]!.stdout).toContain('WEFT_STORE_CORRUPT')
})
