import { cp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from '@weft/replica'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawDatabase, recordKey } from '../contract/level-harness.ts'
import { CliPeer, Run, SECRET } from '../support/cli-peer.ts'
import { Running, weft, weftHere } from '../support/cli-run.ts'
import { rejectionOf } from '../support/peer-until.ts'

let sound: CliPeer

beforeAll(async () => {
  sound = await CliPeer.start()
  for (const workflow of ['wf-1', 'wf-2', 'wf-3']) await sound.seed(workflow)
  await sound.peer.close()
})

afterAll(() => rm(sound.folder, { recursive: true, force: true }))

type Raw = ReturnType<typeof rawDatabase>

function compact(db: Raw): Promise<void> {
  return (db as Raw & { compactRange(start: string, end: string): Promise<void> }).compactRange('', '\x7f')
}

/** A copy of the sound directory, all of it in tables. */
async function copyOf(name: string): Promise<string> {
  const data = join(sound.folder, name)
  await cp(sound.data, data, { recursive: true })
  const db = rawDatabase(data)
  await db.open()
  await compact(db)
  await db.close()
  return data
}

async function largest(data: string, kind: RegExp): Promise<string> {
  const names = (await readdir(data)).filter(name => kind.test(name))
  const sizes = await Promise.all(names.map(async name => ({ name, ...(await stat(join(data, name))) })))
  return join(data, sizes.sort((a, b) => b.size - a.size)[0]!.name)
}

const serveArgs = (data: string) => ['serve', '--data', data, '--port', '0', '--json']
const env = { WEFT_SECRET: SECRET }

describe('weft serve on a damaged directory', () => {
  test('[DUR-4] serves all contexts but the one that is damaged, and says which', async () => {
    const data = await copyOf('one-bad')
    const db = rawDatabase(data)
    await db.open()
    await db.del(recordKey('acme', 'wf-2', 12))
    await db.close()
    const serve = new Running(serveArgs(data), { env })
    const { url } = JSON.parse(await serve.line()) as { url: string }
    const replica = await connect({ url, token: await sound.token() })
    const open = (workflow: string) => replica.open(Run, { workflow, agent: 'reader' })
    expect(await rejectionOf(open('wf-2'))).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
    for (const workflow of ['wf-1', 'wf-3']) {
      const context = await open(workflow)
      context.append('message', { text: 'after' })
      await context.flush({ timeout_ms: 10_000 })
    }
    await replica.close()
    const { code, stderr } = await serve.end('SIGTERM')
    expect(code).toBe(0)
    expect(stderr).toMatch(/"workflow":"wf-2".*context is damaged, and will not be served/)
  })

  test('[DUR-4] a bit flipped in a value of a table costs its context and no other', async () => {
    const data = await copyOf('flipped')
    const table = await largest(data, /\.ldb$/)
    const bytes = await readFile(table)
    const at = bytes.indexOf('speaks')
    bytes[at]! ^= 1
    await writeFile(table, bytes)
    const serve = new Running(serveArgs(data), { env })
    const { url } = JSON.parse(await serve.line()) as { url: string }
    const replica = await connect({ url, token: await sound.token() })
    const outcomes = await Promise.all(
      ['wf-1', 'wf-2', 'wf-3'].map(workflow =>
        replica.open(Run, { workflow, agent: 'reader' }).then(
          () => 'served',
          (error: { code: string }) => error.code,
        ),
      ),
    )
    await replica.close({ discard: true })
    expect(outcomes.sort()).toEqual(['WEFT_STORE_CORRUPT', 'served', 'served'])
    expect((await serve.end('SIGTERM')).stderr).toContain('a file of the store is damaged')
  })

  test('[DUR-4] does not serve a store that has lost something without a trace, and leaves it as it is', async () => {
    const data = await copyOf('lost')
    const replaced = join(sound.folder, 'older')
    await cp(data, replaced, { recursive: true })
    const serve = new Running(serveArgs(data), { env })
    const { url } = JSON.parse(await serve.line()) as { url: string }
    const replica = await connect({ url, token: await sound.token() })
    const context = await replica.open(Run, { workflow: 'wf-1', agent: 'writer' })
    context.append('message', { text: 'acknowledged' })
    await context.flush({ timeout_ms: 10_000 })
    await replica.close()
    await serve.end('SIGTERM')
    await cp(join(data, 'weft.seal'), join(replaced, 'weft.seal'))
    const before = await readdir(replaced)
    const { code, stderr, stdout } = await weft(serveArgs(replaced), { env })
    expect(stdout).toBe('')
    expect(stderr).toContain('WEFT_STORE_CORRUPT')
    expect(code).toBe(4)
    expect(await readdir(replaced)).toEqual(before)
  })

  test('[DUR-4] does not die with LevelDB when that aborts', async () => {
    const data = await copyOf('abort')
    const abort = join(sound.folder, 'abort.cjs')
    await writeFile(abort, "if (process.argv[1].endsWith('store-check-child.js')) process.abort()")
    const { code, stderr } = await weft(serveArgs(data), {
      env: { ...env, NODE_OPTIONS: `--require ${abort}` },
    })
    expect(stderr).toMatch(/LevelDB ended the process that read the store in \S+ \(SIGABRT\)/)
    expect(code).toBe(4)
  })

  test('a directory that a peer has open is not checked behind its back', async () => {
    const data = await copyOf('locked')
    const serve = new Running(serveArgs(data), { env })
    await serve.line()
    const { code, stderr } = await weftHere(['verify', '--data', data], { env })
    expect(stderr).toContain('WEFT_STORE_LOCKED')
    expect(code).toBe(4)
    const second = await weft(serveArgs(data), { env })
    expect(second.stderr).toContain('WEFT_STORE_LOCKED')
    await serve.end('SIGTERM')
    expect((await weftHere(['verify', '--data', data], { env })).code).toBe(0)
  })
})
