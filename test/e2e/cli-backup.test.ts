import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canonicalJson } from '@weft/core'
import { type Peer, startPeer } from '@weft/peer'
import { connect, defineContext, type ReplicaEvent } from '@weft/replica'
import { openLevelStore } from '@weft/store-level'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { rawDatabase, recordKey } from '../contract/level-harness.ts'
import { LogMaker } from '../contract/log-maker.ts'
import { CliPeer, SECRET } from '../support/cli-peer.ts'
import { hexSha256 } from '../support/core-property.ts'
import { weftHere, weftJson } from '../support/cli-run.ts'

const Run = defineContext({
  name: 'run',
  version: 1,
  state: z.object({ format: z.string(), plan: z.array(z.string()) }),
  entries: { message: z.object({ text: z.string() }) },
  initial: { format: 'text', plan: [] },
})

interface Made {
  readonly contexts: number
  readonly changes: number
  readonly leftOut: readonly { readonly workflow: string }[]
}

interface Restored {
  readonly contexts: readonly { readonly workflow: string; readonly digest: string }[]
}

let peer: CliPeer
let folder: string
let env: Record<string, string>
let backup: string
const digests = new Map<string, string>()

beforeAll(async () => {
  peer = await CliPeer.start()
  folder = await mkdtemp(join(tmpdir(), 'weft-backup-'))
  env = await peer.env({ scopes: ['read', 'write', 'admin'] })
  for (const workflow of ['wf-1', 'wf-2']) digests.set(workflow, await peer.seed(workflow))
  await peer.seed('wf-1', { tenant: 'other' })
  await weftJson(['retention', 'set', '30d'], { env })
  backup = join(folder, 'backup')
  await weftJson(['backup', '--to', backup], { env })
})

afterAll(async () => {
  await peer.stop()
  await rm(folder, { recursive: true, force: true })
})

/** A peer on a directory, on a port of its own or a given one. */
async function serve(data: string, port = 0): Promise<Peer> {
  const key = { kind: 'secret' as const, secret: SECRET }
  return startPeer({ openStore: () => openLevelStore(data), key, port })
}

describe('weft backup of a running peer, and weft restore', () => {
  test('[DUR-1] [CHG-4] a restored store serves the same digests', async () => {
    const data = join(folder, 'restored')
    const { contexts } = await weftJson<Restored>(['restore', '--from', backup, '--data', data])
    expect(contexts.map(({ workflow }) => workflow)).toEqual(['@overlays', 'wf-1', 'wf-2'])
    for (const { workflow, digest } of contexts.slice(1)) expect(digest).toBe(digests.get(workflow))
    expect((await weftHere(['verify', '--data', data])).code).toBe(0)
    const restored = await serve(data)
    onTestFinished(() => restored.close())
    const replica = await connect({ url: restored.url, token: await peer.token() })
    for (const [workflow, digest] of digests) {
      expect((await replica.open(Run, { workflow, agent: 'reader' })).digest()).toBe(digest)
    }
    await replica.close({ discard: true })
  })

  test('[DUR-2] a backup while a writer writes is each log up to one moment, verified', async () => {
    const replica = await connect({ url: peer.peer.url, token: await peer.token() })
    const context = await replica.open(Run, { workflow: 'busy', agent: 'writer' })
    let stopped = false
    const writing = (async () => {
      for (let n = 0; !stopped; n++) await context.append('message', { text: `${n}` }).committed
    })()
    const counts: number[] = []
    for (let n = 0; n < 3; n++) {
      const to = join(folder, `busy-${n}`)
      counts.push((await weftJson<Made>(['backup', '--to', to], { env })).changes)
      expect((await weftHere(['restore', '--from', to, '--dry-run'])).code).toBe(0)
    }
    stopped = true
    await writing
    await replica.close()
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
  })

  test.each([
    ['is as new as it', true],
    ['is older', false],
  ])('[DUR-5] a replica of the original goes on with the restored store when the backup %s', async (_, isNew) => {
    const original = join(folder, `original-${isNew}`)
    let running = await serve(original)
    const { port, url } = running
    const events: ReplicaEvent[] = []
    const onEvent = (event: ReplicaEvent): void => void events.push(event)
    const replica = await connect({ url, token: await peer.token(), onEvent })
    onTestFinished(async () => {
      await replica.close({ discard: true })
      await running.close()
    })
    const context = await replica.open(Run, { workflow: 'wf', agent: 'writer' })
    const append = (text: string): Promise<number> => context.append('message', { text }).committed
    await append('before')
    const to = join(folder, `backup-${isNew}`)
    await weftJson(['backup', '--to', to], { env: { ...env, WEFT_URL: url } })
    if (!isNew) await append('after the backup')
    await running.close()
    const data = join(folder, `again-${isNew}`)
    await weftJson(['restore', '--from', to, '--data', data])
    running = await serve(data, port)
    await append('after the restore')
    await context.flush({ timeout_ms: 20_000 })
    expect(events.filter(({ type }) => type === 'rollback')).toHaveLength(isNew ? 0 : 1)
    const reader = await connect({ url, token: await peer.token() })
    expect((await reader.open(Run, { workflow: 'wf', agent: 'reader' })).digest()).toBe(context.digest())
    await reader.close({ discard: true })
  })

  test('of a directory: all tenants, or one of them beside others', async () => {
    const closed = join(folder, 'closed')
    const copy = await serve(join(closed, 'data'))
    await copy.close()
    for (const tenant of ['a', 'b']) {
      const store = await openLevelStore(join(closed, 'data'))
      await store.tenant(tenant).append(new LogMaker('w').next(5))
      await store.close()
    }
    const to = join(closed, 'backup')
    const made = await weftJson<Made>(['backup', '--data', join(closed, 'data'), '--to', to])
    expect(made).toMatchObject({ contexts: 2, changes: 10, leftOut: [] })
    const target = ['--data', join(closed, 'target')]
    await weftJson(['restore', '--from', to, '--tenant', 'a', ...target])
    await weftJson(['restore', '--from', to, '--tenant', 'b', ...target])
    const store = await openLevelStore(join(closed, 'target'))
    for (const tenant of ['a', 'b']) expect((await store.tenant(tenant).head('w'))?.count).toBe(5)
    await store.close()
  })

  test('needs an admin of all workflows, and says so', async () => {
    for (const request of [{}, { scopes: ['read', 'admin'] as const, workflows: 'wf-*' }]) {
      const poor = await peer.env(request as Parameters<CliPeer['env']>[0])
      const { code, stderr } = await weftHere(['backup', '--to', join(folder, 'never')], { env: poor })
      expect([code, /WEFT_(SCOPE|WORKFLOW_FORBIDDEN)/.test(stderr)]).toEqual([3, true])
    }
    expect(await readdir(folder)).not.toContain('never')
  })
})

describe('a backup that is no good', () => {
  async function altered(name: string, alter: (directory: string) => Promise<void>): Promise<string> {
    const copy = join(folder, name)
    await cp(backup, copy, { recursive: true })
    await alter(copy)
    return copy
  }

  async function flip(path: string): Promise<void> {
    const bytes = await readFile(path)
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(path, bytes)
  }

  test.each<[string, (directory: string) => Promise<void>]>([
    ['a flipped bit in an export', directory => flip(join(directory, 'contexts/000002.jsonl'))],
    ['a flipped bit in the manifest', directory => flip(join(directory, 'manifest.json'))],
    ['no manifest', directory => rm(join(directory, 'manifest.json'))],
    ['a missing export', directory => rm(join(directory, 'contexts/000003.jsonl'))],
    [
      'an export in place of another',
      directory => cp(join(directory, 'contexts/000002.jsonl'), join(directory, 'contexts/000003.jsonl')),
    ],
  ])('[DUR-4] with %s is refused before anything is written', async (name, alter) => {
    const directory = await altered(`bad ${name}`, alter)
    const data = join(folder, `into ${name}`)
    const { code, stderr } = await weftHere(['restore', '--from', directory, '--data', data])
    expect(stderr).toContain('WEFT_FILE_INVALID')
    expect(code).toBe(1)
    expect(await readdir(folder)).not.toContain(`into ${name}`)
  })

  test.each([
    ['running hash', { runningHash: 'a'.repeat(64) }],
    ['number of changes', { count: 11 }],
    ['heads', { heads: ['a'.repeat(64)] }],
  ])('[DUR-4] with another %s than its logs have is refused, even if its checksum holds', async (name, change) => {
    const directory = await altered(`manifest ${name}`, async copy => {
      const path = join(copy, 'manifest.json')
      const { checksum: _, ...manifest } = JSON.parse(await readFile(path, 'utf8'))
      Object.assign(manifest.contexts[1], change)
      const checksum = hexSha256(Buffer.from(canonicalJson(manifest)))
      await writeFile(path, JSON.stringify({ ...manifest, checksum }))
    })
    const { code, stderr } = await weftHere(['restore', '--from', directory, '--dry-run'])
    expect([code, stderr]).toEqual([4, expect.stringContaining('WEFT_STORE_CORRUPT')])
  })

  test('is not restored over a tenant that is there, unless that is what a restore has left', async () => {
    const data = join(folder, 'cut-short')
    await weftJson(['restore', '--from', backup, '--data', data])
    await weftJson(['restore', '--from', backup, '--data', data])
    const store = await openLevelStore(data)
    await store.tenant('acme').remove('wf-1')
    await store.close()
    await weftJson(['restore', '--from', backup, '--data', data])
    const again = await openLevelStore(data)
    expect((await again.tenant('acme').head('wf-1'))?.count).toBe(12)
    await again.tenant('acme').append(new LogMaker('another').next())
    await again.close()
    const { code, stderr } = await weftHere(['restore', '--from', backup, '--data', data])
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('it holds another, which is not in the backup'),
    ])
  })

  test('[DUR-4] a context that is damaged is left out, and the backup says so', async () => {
    const data = join(folder, 'damaged')
    await weftJson(['restore', '--from', backup, '--data', data])
    const db = rawDatabase(data)
    await db.open()
    await db.del(recordKey('acme', 'wf-2', 3))
    await db.close()
    const running = await serve(data)
    onTestFinished(() => running.close())
    const to = join(folder, 'partial')
    const { code, stdout } = await weftHere(['backup', '--to', to, '--json'], {
      env: { ...env, WEFT_URL: running.url },
    })
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ contexts: 2, leftOut: [{ workflow: 'wf-2' }] })
    const restored = await weftHere(['restore', '--from', to, '--dry-run'])
    expect(restored.stdout).toContain('MISSING  acme wf-2')
  })
})
