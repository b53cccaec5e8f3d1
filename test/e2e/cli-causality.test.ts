import { join } from 'node:path'
import { BranchWriter, ChangeSet } from '@weft/core'
import { connect, defineContext } from '@weft/replica'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { CliPeer } from '../support/cli-peer.ts'
import { weftHere, weftJson } from '../support/cli-run.ts'
import { host } from '../support/host.ts'

const Run = defineContext({
  name: 'run',
  version: 1,
  state: z.object({ format: z.string() }),
  entries: { message: z.object({ text: z.string() }) },
  initial: { format: 'text' },
})

let peer: CliPeer
let folder: string
let file: string
let env: Record<string, string>
let read: string
let derived: string
let resolved: string
let mistake: string
let undo: string

beforeAll(async () => {
  peer = await CliPeer.start()
  env = await peer.env()
  folder = peer.folder
  file = join(folder, 'wf.jsonl')
  const replica = await connect({ url: peer.peer.url, token: await peer.token() })
  const context = await replica.open(Run, { workflow: 'wf', agent: 'planner' })
  read = context.append(
    'message',
    { text: 'as the \u001b[31mdocument says' },
    { dependsOn: ['ext:doc/1@v1'] },
  ).entries[0]!
  derived = context.append('message', { text: 'so we do' }, { dependsOn: [`entry:${read}`] }).entries[0]!
  context.touch('ext:doc/1', 'v2', { reason: 'the document was corrected' })
  await context.fanOut(['left', 'right'], branch => {
    branch.change(state => {
      state.format = branch.branch
    })
  })
  resolved = context.resolve('/format', 'left', { reason: 'the customer asked for it' }).change!
  await context.fanOut(['third', 'fourth'], branch => {
    branch.change(state => {
      state.format = branch.branch
    })
  })
  mistake = context.append('message', { text: 'a mistake' }).change!
  undo = context.revert({ change: mistake }, { reason: 'it was one' }).receipt.change!
  await replica.close()
  const exported = await weftHere(['export', 'wf', '-o', file], { env })
  expect(exported.code, exported.stderr).toBe(0)
})

afterAll(() => peer.stop())

/** What a verb says of the running peer, when it says the same of the export. */
async function both(...args: readonly string[]): Promise<string> {
  const asked = await weftHere(args, { env })
  const fromFile = await weftHere([...args, '--file', file])
  expect([asked.code, asked.stderr]).toEqual([0, ''])
  expect(fromFile.stdout).toBe(asked.stdout)
  expect(asked.stdout).not.toContain('\u001b')
  return asked.stdout
}

describe('[STL-3] weft why', () => {
  test('says what an entry was derived from, what made it stale, by whom and why', async () => {
    const text = await both('why', 'wf', read)
    expect(text).toMatch(/^read {7}ext:doc\/1@v1$/m)
    expect(text).toMatch(/^stale {6}yes$/m)
    expect(text).toMatch(/superseded: ext:doc\/1 by planner on main, .*\(the document was corrected\)/)
    expect(await both('why', 'wf', derived.slice(0, 12))).toContain(
      `derived from ${read.slice(0, 8)}.0, which is stale`,
    )
  })

  test('under --json', async () => {
    expect(await weftJson(['why', 'wf', derived], { env })).toMatchObject({
      entry: { id: derived },
      reads: [{ ref: `entry:${read}` }],
      stale: true,
      causes: [],
      via: [read],
      revertedBy: [],
    })
    expect(await weftJson(['why', 'wf', mistake], { env })).toMatchObject({
      stale: false,
      revertedBy: [undo],
    })
  })
})

test('[STL-6] weft blast lists what was derived from a ref, transitively', async () => {
  const text = await both('blast', 'wf', 'ext:doc/1')
  expect(text).toMatch(/^from ext:doc\/1 come 2 entries of 2 changes, on main$/m)
  expect(text).toContain('message: so we do')
  const found = await weftJson<{ entries: string[] }>(['blast', 'wf', 'ext:doc/1@v1', '--branch', 'main'], {
    env,
  })
  expect(found).toMatchObject({ ref: 'ext:doc/1@v1', entries: [read, derived], branches: ['main'] })
  expect(await both('blast', 'wf', 'ext:doc/2')).toBe('nothing was derived from ext:doc/2\n')
})

test('[MRG-2] weft conflicts lists what is open, and who resolved what and why', async () => {
  const text = await both('conflicts', 'wf')
  expect(text).toMatch(/^open on main: 1$/m)
  expect(text).toMatch(/^resolved: 1$/m)
  expect(text).toMatch(/\/format is "left", of 2 values {2}by planner, .*\(the customer asked for it\)/)
  const ledger = await weftJson<object>(['conflicts', 'wf', '--file', file])
  expect(ledger).toMatchObject({
    branch: 'main',
    open: [{ pointer: '/format', values: [{ branch: 'third' }, { branch: 'fourth' }] }],
    resolved: [{ pointer: '/format', change: resolved, settled: [{ value: 'left' }, { value: 'right' }] }],
  })
  expect(await both('conflicts', 'wf', '--branch', 'left')).toMatch(/^open on left: none\nresolved: none$/m)
})

test('[STP-4] weft audit says who wrote what, and what was reverted', async () => {
  const text = await both('audit', 'wf')
  expect(text).toMatch(new RegExp(`a mistake {2}reverted by ${undo.slice(0, 8)}`))
  expect(text).toMatch(new RegExp(`\\(it was one\\) {2}reverts ${mistake.slice(0, 8)}`))
  const writers = (await both('audit', 'wf', '--pointer', '/format', '--json')).trim().split('\n')
  const records = writers.map(line => JSON.parse(line) as { branch: string; position: number })
  expect(records.map(({ branch }) => branch)).toEqual(['main', 'left', 'right', 'main', 'third', 'fourth'])
  expect(records.every(({ position }) => position > 0)).toBe(true)
  expect(
    (await both('audit', 'wf', '--kind', 'message', '--agent', 'planner')).trim().split('\n'),
  ).toHaveLength(3)
  expect((await both('audit', 'wf', '--branch', 'left')).trim().split('\n')).toHaveLength(6)
})

test.each([
  ['an entry that is not there', ['why', 'wf', 'ffffffff.0'], 'WEFT_CHANGE_UNKNOWN'],
  ['an index that is not there', ['why', 'wf', 'READ.7'], 'WEFT_CHANGE_UNKNOWN'],
  ['no ref', ['blast', 'wf', 'doc/1'], 'WEFT_REF_INVALID'],
  ['no branch', ['conflicts', 'wf', '--branch', 'nowhere'], 'WEFT_BRANCH_UNKNOWN'],
  ['no pointer', ['audit', 'wf', '--pointer', 'format'], 'WEFT_POINTER_INVALID'],
])('%s is refused by code', async (_, args, code) => {
  const given = args.map(arg => arg.replace('READ', read.slice(0, 64)))
  const { code: exit, stdout, stderr } = await weftHere([...given, '--file', file, '--json'])
  expect(exit).not.toBe(0)
  expect(stdout).toBe('')
  expect(JSON.parse(stderr)).toMatchObject({ error: { code } })
})

test.each(['why', 'blast', 'conflicts', 'audit'])('weft %s --help shows examples', async verb => {
  const { code, stdout } = await weftHere([verb, '--help'])
  expect(code).toBe(0)
  expect(stdout).toContain(`$ weft ${verb} `)
})

test('a change whose author says a time that is no date is shown, and audited, like any other', async () => {
  const time = 9_000_000_000_000_000
  const author = new BranchWriter(new ChangeSet(host.hash), { ...host, now: () => time }, 'main', 'agent')
  const { id, bytes } = author.write({ entries: [{ kind: 'message', value: { text: 'when?' } }] })!
  const replica = await connect({ url: peer.peer.url, token: await peer.token() })
  const context = await replica.open(Run, { workflow: 'odd', agent: 'planner' })
  expect(context.adopt([bytes])).toBe(1)
  await replica.close()
  for (const args of [
    ['show', 'odd', id],
    ['audit', 'odd'],
    ['log', 'odd'],
  ]) {
    const { code, stdout, stderr } = await weftHere(args, { env })
    expect([code, stderr], args.join(' ')).toEqual([0, ''])
    expect(stdout).toContain('when?')
  }
  expect((await weftHere(['show', 'odd', id], { env })).stdout).toContain(`by agent, ${time}`)
})
