import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type Context } from '@weft/replica'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CliPeer, Run } from '../support/cli-peer.ts'
import { SseReader } from '../support/sse-reader.ts'
import { weft, weftHere, weftJson } from '../support/cli-run.ts'

const CANARY = 'Zq8vX2mK7pLw4RtY9sNb3HdF6jGc1aQe'

let peer: CliPeer
let env: Record<string, string>
let admin: Record<string, string>

beforeEach(async () => {
  peer = await CliPeer.start()
  env = await peer.env()
  admin = await peer.env({ scopes: ['read', 'write', 'admin'] })
})

afterEach(() => peer.stop())

interface Result {
  readonly changes: string[]
  readonly entries: string[]
  readonly already: string[]
  readonly pointers: string[]
  readonly derived: { readonly entries: string[]; readonly changes: string[] }
  readonly change?: string
  readonly position?: number
}

/** A context in which a message and a value of the state hold the canary, and the ids of their changes. */
async function secretIn(workflow: string) {
  const replica = await connect({ url: peer.peer.url, token: await peer.token() })
  const context = await replica.open(Run, { workflow, agent: 'planner' })
  const said = context.append('message', { text: `the key is ${CANARY}` })
  const copied = context.append('message', { text: 'used it' }, { dependsOn: [`entry:${said.entries[0]}`] })
  const wrote = context.change(state => {
    state.format = CANARY
  })
  context.change(state => {
    state.format = 'text'
  })
  await context.flush()
  return { replica, context, said: said.change!, copied: copied.change!, wrote: wrote.change! }
}

async function filesWithCanary(folder: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter(each =>
    each.isFile(),
  )
  const found = await Promise.all(
    names.map(async ({ parentPath, name }) => {
      const bytes = await readFile(join(parentPath, name)).catch(() => Buffer.alloc(0))
      return bytes.includes(CANARY) ? [name] : []
    }),
  )
  return found.flat()
}

/** All that a replica holds and shows. */
function shownBy(context: Context<never, never>): string {
  const bytes = context.changes().map(change => Buffer.from(change.bytes).toString('latin1'))
  return JSON.stringify([bytes, context.entries(), [...context.audit()], context.state])
}

async function untilGone(): Promise<void> {
  while ((await filesWithCanary(peer.data)).length > 0) await new Promise(resolve => setTimeout(resolve, 20))
}

const READS = [['log'], ['audit'], ['show'], ['export'], ['graph'], ['conflicts'], ['show', '--at', '4']]

describe('[ERA-1] weft erase', () => {
  test('takes what changes hold from the disk of the peer, from replicas, from every reading command and from feeds', async () => {
    const { replica, context, said, copied, wrote } = await secretIn('wf')
    expect(await filesWithCanary(peer.data)).not.toEqual([])
    const plan = await weftJson<Result>(['erase', 'wf', said, wrote, '--dry-run'], { env })
    expect(plan).toMatchObject({ changes: [said, wrote], pointers: ['/format'], dryRun: true })
    expect(plan.derived.changes).toEqual([copied])
    const done = await weftJson<Result>(
      ['erase', 'wf', said.slice(0, 12), wrote.slice(0, 12), '--reason', 'a leaked key'],
      { env: admin },
    )
    expect(done).toMatchObject({ changes: [said, wrote], entries: [`${said}.0`], position: 6 })
    await untilGone()
    await context.until(() => context.position === 6, { timeout_ms: 10_000 })
    expect(shownBy(context as never)).not.toContain(CANARY)
    for (const [verb, ...flags] of READS) {
      const read = await weftHere([verb!, 'wf', ...flags], { env })
      expect(read.code, read.stderr).toBe(0)
      expect(read.stdout + Buffer.from(read.stdout, 'base64').toString('latin1')).not.toContain(CANARY)
    }
    const log = await weftHere(['log', 'wf'], { env })
    expect(log.stdout).toContain('message: (erased)')
    expect(log.stdout).toMatch(/weft\.erasures +weft-cli +erases [0-9a-f]+, [0-9a-f]+ \(a leaked key\)/)
    const shown = await weftHere(['show', 'wf', said], { env })
    expect(shown.stdout).toMatch(/erased by weft-cli with [0-9a-f]+: a leaked key/)
    const tail = await weftHere(['tail', 'wf', '--json', '--from', '1'], { env })
    expect([tail.code, tail.stdout]).toEqual([0, expect.stringContaining('"value":null,"erased":true')])
    expect(tail.stdout).not.toContain(CANARY)
    const headers = { authorization: `Bearer ${env.WEFT_TOKEN}` }
    const feed = await SseReader.open(`${peer.peer.url.replace('ws', 'http')}/feed/wf?from=1`, { headers })
    expect(feed.response.status).toBe(200)
    const told = JSON.stringify(await feed.take(6))
    expect(told).toContain('"value":null,"erased":true')
    expect(told).not.toContain(CANARY)
    await replica.close()
    const again = await weftHere(['erase', 'wf', said], { env: admin })
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('nothing is left to erase')])
  })

  test('goes through export, import, backup and restore, which hold nothing of it', async () => {
    const { replica, said, wrote } = await secretIn('wf')
    const old = join(peer.folder, 'old.jsonl')
    await weftJson(['export', 'wf', '-o', old], { env })
    await weftJson(['erase', 'wf', said, wrote], { env: admin })
    const [file, backup] = [join(peer.folder, 'new.jsonl'), join(peer.folder, 'backup')]
    await weftJson(['export', 'wf', '-o', file], { env })
    await weftJson(['backup', '--to', backup], { env: admin })
    const lines = (await readFile(file, 'utf8')).trim().split('\n')
    const bytes = lines.map(line => Buffer.from(JSON.parse(line).bytes ?? '', 'base64').toString('latin1'))
    expect(bytes.join()).not.toContain(CANARY)
    expect((await weftHere(['verify', '--file', file])).code).toBe(0)
    const brought = await weftJson(['import', file, '--workflow', 'copy'], { env: admin })
    expect(brought).toMatchObject({ new: 6, same: true })
    // A copy that is older than the erasure brings nothing back.
    expect(await weftJson(['import', old, '--workflow', 'wf'], { env })).toMatchObject({ new: 0 })
    expect(await weftJson(['import', old, '--workflow', 'copy'], { env })).toMatchObject({ new: 0 })
    await untilGone()
    await replica.close()
    const restored = join(peer.folder, 'restored')
    const back = await weftHere(['restore', '--from', backup, '--data', restored, '--json'])
    expect(back.code, back.stderr).toBe(0)
    expect(await filesWithCanary(restored)).toEqual([])
    const verified = await weftHere(['verify', '--data', restored])
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('nothing is damaged')])
  })

  test('[DUR-4] leaves files in which content is missing that nothing erases, or is there that was erased, as damaged', async () => {
    const { replica, said } = await secretIn('wf')
    const [old, fresh, cut, mixed] = ['old', 'fresh', 'cut', 'mixed'].map(name =>
      join(peer.folder, `${name}.jsonl`),
    )
    await weftJson(['export', 'wf', '-o', old!], { env })
    const { change } = await weftJson<Result>(['erase', 'wf', said], { env: admin })
    await weftJson(['export', 'wf', '-o', fresh!], { env })
    await replica.close()
    const [before, after] = await Promise.all(
      [old!, fresh!].map(async file => (await readFile(file, 'utf8')).split('\n')),
    )
    const lineOf = (lines: string[], id: string) => lines.find(line => line.includes(`"id":"${id}"`))!
    await writeFile(cut!, after!.filter(line => line !== lineOf(after!, change!)).join('\n'))
    await writeFile(mixed!, after!.join('\n').replace(lineOf(after!, said), lineOf(before!, said)))
    for (const [file, told] of [
      [cut!, 'has lost its content, and nothing here erases it'],
      [mixed!, 'its content was erased and is still here'],
    ] as const) {
      const { code, stdout } = await weftHere(['verify', '--file', file, '--json'])
      expect([code, stdout]).toEqual([1, expect.stringContaining(told)])
      const refused = await weftHere(['import', file, '--workflow', 'copy'], { env: admin })
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('WEFT_FILE_INVALID')])
    }
  })

  test('is refused for whoever may not, for what is not there, and while the state still shows it', async () => {
    const { context, replica, said } = await secretIn('wf')
    const held = context.change(state => {
      state.format = CANARY
    })
    await context.flush()
    await replica.close()
    const cases: [string[], Record<string, string>, number, string][] = [
      [[said], env, 3, 'WEFT_SCOPE'],
      [[held.change!], admin, 1, 'WEFT_ERASE_IN_FORCE'],
      [['ffffffff'], admin, 2, 'WEFT_CHANGE_UNKNOWN'],
      [[`${said}.9`], admin, 2, 'WEFT_ENTRY_UNKNOWN'],
      [[`${said}.x`], admin, 2, 'WEFT_CHANGE_UNKNOWN'],
    ]
    for (const [ids, as, code, error] of cases) {
      const refused = await weftHere(['erase', 'wf', ...ids], { env: as })
      expect([refused.code, refused.stderr]).toEqual([code, expect.stringContaining(error)])
    }
    expect(await filesWithCanary(peer.data)).not.toEqual([])
  })

  test('holds in a process of its own', async () => {
    const { replica, said } = await secretIn('wf')
    await replica.close()
    const done = await weft(['erase', 'wf', said, '--with-derived'], { env: admin })
    expect([done.code, done.stdout]).toEqual([0, expect.stringMatching(/^erased 2 changes of wf, 2 entries/)])
  })
})
