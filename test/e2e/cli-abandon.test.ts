import { connect, type Context } from '@weft/replica'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliPeer, Run } from '../support/cli-peer.ts'
import { weftHere, weftJson } from '../support/cli-run.ts'

let peer: CliPeer
let env: Record<string, string>

beforeAll(async () => {
  peer = await CliPeer.start()
  env = await peer.env()
})

afterAll(() => peer.stop())

interface Abandoned {
  readonly dryRun: boolean
  readonly branches: string[]
  readonly position: number | null
}

/** Three attempts in a context, the first of them merged. */
async function attemptsIn(workflow: string) {
  const replica = await connect({ url: peer.peer.url, token: await peer.token() })
  const context = await replica.open(Run, { workflow, agent: 'planner' })
  for (const name of ['won', 'lost', 'late']) context.fork(name).append('message', { text: `${name} it` })
  context.merge('won')
  await context.flush()
  return { replica, context: context as Context<unknown, never> }
}

describe('[MRG-2] weft abandon', () => {
  test('ends what it is told to, says so in every reading command, and leaves all of it to be read', async () => {
    const { context } = await attemptsIn('wf')
    const before = context.entries()
    const plan = await weftJson<Abandoned>(['abandon', 'wf', '--unmerged', '--dry-run'], { env })
    expect(plan).toMatchObject({ dryRun: true, branches: ['lost', 'late'], position: null })
    const reason = ['--reason', 'the first one won']
    const { stdout, code } = await weftHere(['abandon', 'wf', '--branch', 'lost', ...reason], { env })
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^abandoned 1 branch, at position \d+\n {2}lost\n$/),
    ])

    await context.until(() => context.unmerged.length === 1)
    expect(context.unmerged).toEqual(['late'])
    expect(context.entries()).toEqual(before)
    const said = 'abandons lost'
    expect((await weftHere(['graph', 'wf'], { env })).stdout).toContain(said)
    const log = await weftHere(['log', 'wf'], { env })
    expect(log.stdout).toContain(`${said} (the first one won)`)
    const id = context.changes().find(({ header }) => header.notes.abandons)!.id
    expect((await weftHere(['show', 'wf', id], { env })).stdout).toMatch(/^abandons {3}lost$/m)
    const lost = await weftHere(['log', 'wf', '--branch', 'lost'], { env })
    expect(lost.stdout).toContain('lost it')
  })

  test('ends all that nobody has merged, once', async () => {
    const { context } = await attemptsIn('all')
    const all = ['abandon', 'all', '--unmerged']
    const { branches, position } = await weftJson<Abandoned>(all, { env })
    expect(branches).toEqual(['lost', 'late'])
    await context.until(() => context.position === position)
    expect(context.unmerged).toEqual([])
    expect((await weftHere(all, { env })).stdout).toBe('nothing is unmerged\n')
  })

  test.each([
    [['abandon', 'bad'], 'WEFT_USAGE'],
    [['abandon', 'bad', '--branch', 'lost', '--unmerged'], 'WEFT_USAGE'],
    [['abandon', 'bad', '--branch', 'main'], 'WEFT_ID_INVALID'],
    [['abandon', 'bad', '--branch', 'nobody'], 'WEFT_BRANCH_UNKNOWN'],
    [['abandon', 'bad', '--branch', 'nobody', '--dry-run'], 'WEFT_BRANCH_UNKNOWN'],
  ])('weft %s: %s', async (args, expected) => {
    const { stderr, code } = await weftHere(args, { env })
    expect(code).toBeGreaterThan(0)
    expect(stderr).toContain(expected)
  })
})

test('a worker can tell that its branch was abandoned, until somebody writes on it', async () => {
  const { replica, context } = await attemptsIn('told')
  const lost = await replica.open(Run, { workflow: 'told', branch: 'lost', agent: 'worker' })
  const told: boolean[] = [lost.isAbandoned]
  context.abandon(['lost'])
  told.push(lost.isAbandoned)
  lost.append('message', { text: 'it goes on' })
  told.push(lost.isAbandoned)
  expect(told).toEqual([false, true, false])
})
