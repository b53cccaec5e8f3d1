import { expect, onTestFinished, test } from 'vitest'
import { connect, defineContext } from '@weft/replica'
import { rm } from 'node:fs/promises'
import { z } from 'zod'
import { CliPeer } from '../support/cli-peer.ts'
import { weftHere, weftJson } from '../support/cli-run.ts'
import { until } from '../support/peer-until.ts'

const Run = defineContext({ name: 'run', version: 1, entries: { message: z.object({ text: z.string() }) } })

interface Retained {
  readonly dryRun: boolean
  readonly removed: readonly { workflow: string; changes: number; agent: string; reason: string }[]
  readonly kept: readonly { workflow: string }[]
  readonly open: readonly string[]
}

/** A directory that a peer has left behind: a completed workflow, one that was taken up again, one that is open. */
async function directory(): Promise<CliPeer> {
  const cli = await CliPeer.start()
  onTestFinished(() => rm(cli.folder, { recursive: true, force: true }))
  await seed(cli)
  await cli.peer.close()
  return cli
}

async function seed(cli: CliPeer): Promise<void> {
  for (const tenant of ['acme', 'zeta']) {
    const replica = await connect({ url: cli.peer.url, token: await cli.token({ tenant }) })
    for (const workflow of ['done', 'again', 'open']) {
      const context = await replica.open(Run, { workflow, agent: 'planner' })
      context.append('message', { text: 'work' })
      if (workflow !== 'open') context.complete({ reason: 'delivered' })
      if (workflow === 'again') context.append('message', { text: 'one more thing' })
    }
    await replica.close()
  }
}

const retain = (cli: CliPeer, ...flags: string[]) =>
  weftJson<Retained>(['retain', '--tenant', 'acme', '--data', cli.data, ...flags])

async function workflowsLeft(cli: CliPeer): Promise<string[]> {
  const { contexts } = await weftJson<{ contexts: { tenant: string; workflow: string }[] }>([
    'verify',
    '--data',
    cli.data,
  ])
  return contexts.map(({ tenant, workflow }) => `${tenant} ${workflow}`)
}

const ALL = ['acme again', 'acme done', 'acme open', 'zeta again', 'zeta done', 'zeta open']

test('[TIR-2] what was completed longer ago than it is kept is removed, and nothing else', async () => {
  const cli = await directory()
  const old_ms = Date.now() + 1_000
  await until(() => Date.now() > old_ms, 'a second has passed since the completion')
  expect(await retain(cli, '--keep', '1s', '--dry-run')).toMatchObject({
    dryRun: true,
    removed: [{ workflow: 'done', changes: 2, agent: 'planner', reason: 'delivered' }],
    kept: [],
    open: ['again', 'open'],
  })
  expect(await workflowsLeft(cli)).toEqual(ALL)
  expect((await retain(cli, '--keep', '1s')).removed).toMatchObject([{ workflow: 'done', changes: 2 }])
  expect(await workflowsLeft(cli)).toEqual(ALL.filter(each => each !== 'acme done'))
  expect((await retain(cli, '--keep', '1s')).removed).toEqual([])
})

test('[TIR-2] what was completed lately is kept', async () => {
  const cli = await directory()
  expect(await retain(cli, '--keep', '30d')).toMatchObject({ removed: [], kept: [{ workflow: 'done' }] })
  expect(await workflowsLeft(cli)).toEqual(ALL)
})

test('people are told what was removed, in words', async () => {
  const cli = await directory()
  const { stdout } = await weftHere(['retain', '--tenant', 'acme', '--keep', '30d', '--data', cli.data])
  expect(stdout).toMatch(
    /^kept {2}done: until \d{4}-.*\nacme: 0 workflows with 0 changes removed, 1 kept, 2 not completed \(kept 30 days after completion\)\n$/,
  )
})

test('[TIR-2] a tenant’s own rule goes before --keep; without any, everything stays', async () => {
  const cli = await CliPeer.start()
  onTestFinished(() => rm(cli.folder, { recursive: true, force: true }))
  await seed(cli)
  const env = await cli.env({ scopes: ['read', 'write', 'admin'] })
  const set = ['retention', 'set', '30d', '--reason', 'agreed', '--agent', 'legal']
  expect((await weftHere(set, { env })).stdout).toBe('kept 30 days after completion (version 1)\n')
  const shown = await weftHere(['retention', 'show'], { env })
  expect(shown.stdout).toMatch(/^1 {2}kept 30 days after completion {2}\S+Z {2}legal {2}\(agreed\)\n$/)
  const running = await weftHere(['retain', '--dry-run'], { env })
  expect(running.stdout).toMatch(
    /^kept {2}done: until .*\n0 workflows .* \(kept 30 days after completion\)\n$/,
  )
  const misused = await weftHere(['retain', '--keep', '1s', '--json'], { env })
  expect(JSON.parse(misused.stderr)).toMatchObject({ error: { code: 'WEFT_USAGE' } })
  await cli.peer.close()
  const all = await weftHere(['retain', '--data', cli.data])
  expect(all.stdout.trim().split('\n').slice(1)).toEqual([
    'acme: 0 workflows with 0 changes removed, 1 kept, 2 not completed (kept 30 days after completion)',
    'zeta: no rule, so everything stays (weft retention set 30d)',
  ])
  expect((await retain(cli, '--keep', '1s')).kept).toMatchObject([{ workflow: 'done' }])
})

test.each([[['--keep', 'soon'], 'WEFT_USAGE']])('%j is refused', async (flags, code) => {
  const cli = await directory()
  const { stderr } = await weftHere(['retain', '--tenant', 'acme', '--data', cli.data, '--json', ...flags])
  expect(JSON.parse(stderr)).toMatchObject({ error: { code } })
  expect(await workflowsLeft(cli)).toEqual(ALL)
})

test('a directory that a peer has open, or that is none, is refused', async () => {
  const cli = await CliPeer.start()
  onTestFinished(() => cli.stop())
  for (const [data, code] of [
    [cli.data, 'WEFT_STORE_LOCKED'],
    ['nowhere', 'WEFT_USAGE'],
  ] as const) {
    const { stderr } = await weftHere([
      'retain',
      '--tenant',
      'acme',
      '--keep',
      '1d',
      '--data',
      data,
      '--json',
    ])
    expect(JSON.parse(stderr)).toMatchObject({ error: { code } })
  }
})
