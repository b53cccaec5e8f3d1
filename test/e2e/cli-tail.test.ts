import { connect } from '@weft/replica'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliPeer } from '../support/cli-peer.ts'
import { Running, weftHere } from '../support/cli-run.ts'
import { Journal } from '../support/journal.mjs'
import { PeerHarness } from '../support/peer-harness.ts'

let peer: CliPeer
let env: Record<string, string>

beforeAll(async () => {
  peer = await CliPeer.start()
  env = await peer.env()
  await peer.seed('wf')
})

afterAll(() => peer.stop())

const positionsIn = (stdout: string): number[] =>
  stdout
    .trim()
    .split('\n')
    .map(line => Number(line.trim().split(/\s+/)[0]))

describe('[WAK-1] weft tail', () => {
  test('shows the last ten events of a context, in the order of its log', async () => {
    const { code, stdout, stderr } = await weftHere(['tail', 'wf'], { env })
    expect([code, stderr]).toEqual([0, ''])
    expect(positionsIn(stdout)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    expect(stdout).toContain('main  planner  message: done')
  })

  test('shows what fits, from a position on, as the CloudEvents of a feed', async () => {
    const args = ['tail', 'wf', '--from', '3', '--kind', 'message', '--branch', 'left', 'right', '--json']
    const { stdout } = await weftHere(args, { env })
    const events = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(events.map(({ subject, data }) => [subject, data.entries[0].value.text])).toEqual([
      ['left', 'left speaks'],
      ['left', 'left speaks again'],
      ['right', 'right speaks'],
      ['right', 'right speaks again'],
    ])
    expect(events[0]).toMatchObject({ specversion: '1.0', source: 'urn:weft:acme:wf' })
    const written = await weftHere(['tail', 'wf', '--ref', 'state:/format', '--from', '2'], { env })
    expect(written.stdout.trim().split('\n')).toHaveLength(2)
  })

  test('follows what happens until it is interrupted', async () => {
    const replica = await connect({ url: peer.peer.url, token: await peer.token() })
    const context = await replica.open(Journal, { workflow: 'live', agent: 'author' })
    await context.append('line', 'before').committed
    const tail = new Running(['tail', 'live', '--follow', '--kind', 'line'], { env })
    expect(await tail.line()).toContain('line: before')
    await context.append('line', 'after').committed
    expect(await tail.line()).toContain('line: after')
    await replica.close()
    expect((await tail.end('SIGINT')).code).toBe(0)
  })

  test('says when the peer is out of reach, and goes on when it is back', async () => {
    const harness = await PeerHarness.start()
    const replica = await harness.replica()
    const context = await replica.open(Journal, { workflow: 'live', agent: 'author' })
    await context.append('line', 'before').committed
    const harnessEnv = { WEFT_URL: harness.url, WEFT_TOKEN: await harness.token() }
    const tail = new Running(['tail', 'live', '--follow', '--kind', 'line'], { env: harnessEnv })
    expect(await tail.line()).toContain('line: before')
    await harness.restart()
    await context.append('line', 'after').committed
    expect(await tail.line()).toContain('line: after')
    const { code, stderr } = await tail.end('SIGINT')
    expect(code).toBe(0)
    expect(stderr).toMatch(/^the peer is out of reach \(.+\); trying again\nthe peer is back\n$/)
  })

  test('says that a context is empty', async () => {
    const { code, stdout, stderr } = await weftHere(['tail', 'nobody'], { env })
    expect([code, stdout]).toEqual([0, ''])
    expect(stderr).toContain('nobody holds no changes')
  })

  test.each<[string, readonly string[], number, string]>([
    ['a position that was never reached', ['--from', '99'], 2, 'WEFT_POSITION_UNKNOWN'],
    ['a position that is none', ['--from', '0'], 2, 'WEFT_USAGE'],
    ['a ref that is none', ['--ref', 'nowhere'], 2, 'WEFT_FILTER_INVALID'],
    ['a kind that is no id', ['--kind', 'a/b'], 2, 'WEFT_FILTER_INVALID'],
  ])('refuses %s', async (_, args, code, error) => {
    const finished = await weftHere(['tail', 'wf', ...args], { env })
    expect(finished.code).toBe(code)
    expect(finished.stderr).toContain(error)
    expect(finished.stdout).toBe('')
  })
})
