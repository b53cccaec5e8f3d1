import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type Handoff } from '@weft/replica'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliPeer, Run } from '../support/cli-peer.ts'
import { weftHere, weftJson } from '../support/cli-run.ts'

let peer: CliPeer
let folder: string
let env: Record<string, string>

const at = (name: string): string => join(folder, name)

beforeAll(async () => {
  peer = await CliPeer.start()
  env = await peer.env()
  folder = peer.folder
  await peer.seed('wf')
  await weftHere(['export', 'wf', '-o', at('wf.jsonl')], { env })
})

afterAll(() => peer.stop())

describe('[HND-1] weft handoff', () => {
  test('makes an artifact that a worker resumes, and checks it against the peer and against an export', async () => {
    const made = await weftHere(
      ['handoff', 'wf', '--agent', 'planner', '--branch', 'left', '--carry', '{"draft":"so far"}'],
      { env },
    )
    expect([made.code, made.stderr]).toEqual([0, ''])
    await writeFile(at('job.json'), made.stdout)
    const handoff = JSON.parse(made.stdout) as Handoff
    expect(handoff).toMatchObject({
      address: 'acme:wf:planner:12',
      branch: 'left',
      schema: { name: 'run', version: 1 },
    })
    const replica = await connect({ url: peer.peer.url, token: await peer.token() })
    const { context, carried } = await replica.resume(Run, made.stdout)
    expect(carried).toEqual({ draft: 'so far' })
    expect(context.heads).toEqual(handoff.heads)
    await replica.close()

    const checked = await weftHere(['handoff', 'wf', '--check', at('job.json')], { env })
    expect([checked.code, checked.stderr]).toEqual([0, ''])
    expect(checked.stdout).toMatch(/^acme:wf:planner:12 on branch left, 1 head, schema run@1$/m)
    expect(checked.stdout).toMatch(/^it holds, against the peer; 0 changes came since$/m)
    const args = ['handoff', 'wf', '--check', at('job.json'), '--file', at('wf.jsonl')]
    expect(await weftJson(args)).toMatchObject({ against: 'export', heads: handoff.heads, since: 0 })
  })

  test('[HND-3] a lease that was had for a handoff is told of in the log', async () => {
    const replica = await connect({ url: peer.peer.url, token: await peer.token() })
    const context = await replica.open(Run, { workflow: 'leased', agent: 'planner' })
    await context.lease()
    await context.handoff()
    await replica.close()
    const { stdout } = await weftHere(['log', 'leased'], { env })
    expect(stdout).toMatch(/planner {2}leases branch:main, epoch 1$/m)
    expect(stdout).toMatch(/planner {2}gives back branch:main, epoch 1$/m)
  })

  test.each<[string, readonly string[], string, number]>([
    ['without an agent', ['handoff', 'wf'], 'WEFT_USAGE', 2],
    ['of an export', ['handoff', 'wf', '--agent', 'a', '--file', 'x'], 'WEFT_USAGE', 2],
    [
      'of a branch that is not there',
      ['handoff', 'wf', '--agent', 'a', '--branch', 'lef'],
      'WEFT_BRANCH_UNKNOWN',
      2,
    ],
    ['of a workflow that nobody wrote', ['handoff', 'none', '--agent', 'a'], 'WEFT_SCHEMA_UNKNOWN', 2],
    ['with what is no JSON', ['handoff', 'wf', '--agent', 'a', '--carry', '{'], 'WEFT_USAGE', 2],
    [
      'check of a file that is not there',
      ['handoff', 'wf', '--check', 'nowhere.json'],
      'WEFT_FILE_INVALID',
      1,
    ],
  ])('%s is refused by its code', async (_, args, code, exit) => {
    const run = await weftHere([...args], { env })
    expect(run.stderr).toContain(code)
    expect(run.code).toBe(exit)
    expect(run.stdout).toBe('')
  })

  test('says what does not hold of an artifact that was altered, or is of another workflow or tenant', async () => {
    const { stdout } = await weftHere(['handoff', 'wf', '--agent', 'planner'], { env })
    await writeFile(at('altered.json'), stdout.replace('"main"', '"left"'))
    await writeFile(at('sound.json'), stdout)
    const altered = await weftHere(['handoff', 'wf', '--check', at('altered.json')], { env })
    expect(altered.stderr).toContain('WEFT_HANDOFF_INVALID')
    expect(altered.code).toBe(1)
    expect((await weftHere(['handoff', 'other', '--check', at('sound.json')], { env })).code).toBe(2)
    const foreign = await weftHere(['handoff', 'wf', '--check', at('sound.json')], {
      env: await peer.env({ tenant: 'globex' }),
    })
    expect(foreign.stderr).toContain('WEFT_HANDOFF_FOREIGN')
    expect(await readFile(at('sound.json'), 'utf8')).toBe(stdout)
  })
})
