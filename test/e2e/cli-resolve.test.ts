import { join } from 'node:path'
import type { Conflict, ConflictValue } from '@weft/core'
import { connect } from '@weft/replica'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CliPeer, Run } from '../support/cli-peer.ts'
import { weftHere, weftJson } from '../support/cli-run.ts'

let peer: CliPeer
let env: Record<string, string>

beforeAll(async () => {
  peer = await CliPeer.start()
  env = await peer.env()
})

afterAll(() => peer.stop())

interface Resolved {
  readonly value?: unknown
  readonly settled: readonly ConflictValue[]
  readonly change: string
  readonly position: number
  readonly open: readonly Conflict[]
}

/** Two who have set one key beside each other, and an item of a list if they are told to, merged. */
async function disputeIn(workflow: string, { alsoItem = false } = {}) {
  const replica = await connect({ url: peer.peer.url, token: await peer.token() })
  const context = await replica.open(Run, { workflow, agent: 'planner' })
  if (alsoItem) context.change(state => void state.plan.push('first'))
  await context.fanOut(['left', 'right'], branch => {
    branch.change(state => {
      state.format = branch.branch
      if (alsoItem) state.plan[0] = branch.branch
    })
  })
  await context.flush()
  const [conflict] = context.conflicts()
  const by = (value: string) => conflict!.values.find(each => each.value === value)!.change
  return { context, by }
}

function resolve(workflow: string, ...args: string[]): Promise<Resolved> {
  return weftJson<Resolved>(['resolve', workflow, '/format', ...args], { env })
}

test('[MRG-2] weft resolve takes one of the values, for all to see by whom and why, and once', async () => {
  const { context, by } = await disputeIn('taken')
  const ledger = await weftHere(['conflicts', 'taken'], { env })
  const shown = by('right').slice(0, 8)
  expect(ledger.stdout).toContain(`"right"  by planner on right, ${shown}`)
  const why = ['--reason', 'the customer asked for it', '--agent', 'ada']
  const { stdout, code } = await weftHere(['resolve', 'taken', '/format', '--take', shown, ...why], { env })
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/^\/format is "right", of 2 values, on main by [0-9a-f]{8}, at position \d+\n$/),
  ])
  await context.until(() => context.conflicts().length === 0)
  expect(context.state.format).toBe('right')
  expect(context.resolutions()).toMatchObject([
    { pointer: '/format', agent: 'ada', value: 'right', reason: 'the customer asked for it' },
  ])
  const { position } = context
  const again = await resolve('taken', '--value', '"right"', '--agent', 'ada')
  expect(again).toMatchObject({ settled: [], change: context.resolutions()[0]!.change, position })
  expect(context.position).toBe(position)
})

test('[MRG-2] another value is held against the definition, if it is given one', async () => {
  const { context } = await disputeIn('other')
  const schemas = ['--schemas', join(import.meta.dirname, '../support/run-definition.mjs')]
  const before = context.position
  for (const wrong of [['--value', '7'], ['--delete']]) {
    const { stderr } = await weftHere(['resolve', 'other', '/format', ...wrong, ...schemas], { env })
    expect(stderr).toContain('WEFT_SCHEMA_REFUSED')
  }
  expect(await resolve('other', '--value', '"pdf"', ...schemas)).toMatchObject({
    value: 'pdf',
    settled: [{}, {}],
    position: before + 1,
    open: [],
  })
  await context.until(() => context.state.format === 'pdf')
})

test('[MRG-2] what a branch that is merged later had written stays open, and is shown', async () => {
  const { context } = await disputeIn('late')
  const late = context.fork('late', { at: 1 })
  late.change(state => {
    state.format = 'late'
  })
  await resolve('late', '--delete')
  await context.until(() => context.conflicts().length === 0)
  expect(context.state).not.toHaveProperty('format')
  await context.merge('late').receipt.committed
  const { stdout } = await weftHere(['resolve', 'late', '/format', '--value', '"all"'], { env })
  expect(stdout).toMatch(/^\/format is "all", of 2 values, on main/)
})

test('[MRG-2] weft resolve takes what its change wrote at the very pointer, also where that wrote to more', async () => {
  const { context } = await disputeIn('several', { alsoItem: true })
  const by = context.conflicts().find(({ pointer }) => pointer === '/format')!.values[0]!
  const { stderr, code } = await weftHere(['resolve', 'several', '', '--take', by.change], { env })
  expect([code, stderr]).toEqual([2, expect.stringContaining('there are at /format, /plan/0')])
  expect(await resolve('several', '--take', by.change)).toMatchObject({ value: by.value, settled: [{}, {}] })
})

test('[MRG-2] weft resolve writes nothing without the scope, or beside a lease', async () => {
  const { context } = await disputeIn('forbidden')
  const args = ['resolve', 'forbidden', '/format', '--delete', '--json']
  const refusals: string[] = []
  const WEFT_TOKEN = await peer.token({ scopes: ['read'] })
  for (const as of [{ ...env, WEFT_TOKEN }, env]) {
    const { stderr, code } = await weftHere(args, { env: as })
    expect(code).toBe(3)
    refusals.push(JSON.parse(stderr).error.code)
    await context.lease({ ttl_ms: 60_000, renew: false })
  }
  expect(refusals).toEqual(['WEFT_SCOPE', 'WEFT_LEASE_HELD'])
  expect(context.conflicts()).toHaveLength(1)
})

test.each([
  ['nothing is said to stand there', ['/format'], 'WEFT_USAGE'],
  ['two things are', ['/format', '--delete', '--value', '1'], 'WEFT_USAGE'],
  ['the value is no JSON', ['/format', '--value', 'pdf'], 'WEFT_USAGE'],
  ['no value came with the change', ['/format', '--take', 'ffffffff'], 'WEFT_USAGE'],
  ['nothing is in conflict there', ['/plan', '--value', '[]'], 'WEFT_CONFLICT_UNKNOWN'],
  ['it is no pointer', ['format', '--delete'], 'WEFT_POINTER_INVALID'],
  ['there is no such branch', ['/format', '--delete', '--branch', 'nowhere'], 'WEFT_BRANCH_UNKNOWN'],
  ['the module is not there', ['/format', '--delete', '--schemas', 'none.mjs'], 'WEFT_FILE_INVALID'],
])('weft resolve refuses when %s, and changes nothing', async (why, args, expected) => {
  const { context } = await disputeIn(why.replaceAll(' ', '-'))
  const { workflow, position } = context
  const { stderr, code } = await weftHere(['resolve', workflow, ...args, '--json'], { env })
  expect(JSON.parse(stderr).error.code).toBe(expected)
  expect(code).toBeGreaterThan(0)
  expect((await weftJson<{ position: number }>(['show', workflow], { env })).position).toBe(position)
})

test('weft resolve settles nothing where nobody has written', async () => {
  const { stderr, code } = await weftHere(['resolve', 'nobody', '/format', '--delete'], { env })
  expect([code, stderr]).toEqual([2, expect.stringContaining('WEFT_SCHEMA_UNKNOWN')])
})
