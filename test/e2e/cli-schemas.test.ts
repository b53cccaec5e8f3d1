import { join } from 'node:path'
import { connect, defineContext } from '@weft/replica'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { CliPeer } from '../support/cli-peer.ts'
import { weftHere, weftJson } from '../support/cli-run.ts'

const First = defineContext({
  name: 'brief',
  version: 1,
  state: z.object({ title: z.string() }),
  initial: { title: 'draft' },
  entries: {},
})
const Second = defineContext({
  name: 'brief',
  version: 2,
  state: z.object({ name: z.string() }),
  entries: { note: z.string() },
  migrations: { 2: ({ title }) => ({ name: title! }) },
})

let peer: CliPeer
let env: Record<string, string>

beforeAll(async () => {
  peer = await CliPeer.start()
  env = await peer.env()
  const replica = await connect({ url: peer.peer.url, token: await peer.token() })
  const old = await replica.open(First, { workflow: 'wf', agent: 'old' })
  old.fork('side')
  const context = await replica.open(Second, { workflow: 'wf', agent: 'new' })
  context.append('note', 'migrated')
  await replica.close()
})

afterAll(() => peer.stop())

test('[HND-2] commands read and carry a context whose schema they do not know, whatever its branches are at', async () => {
  const file = join(peer.folder, 'wf.jsonl')
  const { digest } = await weftJson<{ digest: string }>(['export', 'wf', '-o', file], { env })
  expect(await weftJson(['import', file, '--workflow', 'copy'], { env })).toMatchObject({
    digest,
    same: true,
  })
  expect(await weftJson(['verify', 'copy'], { env })).toMatchObject({ ok: true })
  expect((await weftHere(['show', 'copy'], { env })).stdout).toContain('"name": "draft"')
  expect((await weftHere(['show', 'copy', '--branch', 'side'], { env })).stdout).toContain('"title": "draft"')
  const audit = await weftHere(['audit', 'copy', '--pointer', '/name'], { env })
  expect(audit.stdout).toContain('from version 1 to 2')
})
