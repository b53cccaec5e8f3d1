import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, defineContext, defineOverlay, type TokenCounter } from '@weft/replica'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { CliPeer } from '../support/cli-peer.ts'
import { weft, weftHere, weftJson } from '../support/cli-run.ts'

const message = z.object({ role: z.string(), content: z.string() })
const Plain = defineContext({ name: 'plain', version: 1, entries: { message } })
const Told = defineContext({
  name: 'told',
  version: 2,
  entries: { note: z.string() },
  render: { note: text => ({ role: 'user', content: `noted: ${text}` }) },
})
const House = defineOverlay('house', z.object({ prompt: z.string() }), {
  render: ({ prompt }) => `obey: ${prompt}`,
})
const words: TokenCounter = { name: 'words', count: text => text.split(/\s+/).length }
const MODULE = `
export const Told = { name: 'told', version: 2, render: { note: text => ({ role: 'user', content: 'noted: ' + text }) } }
export const House = { name: 'house', render: ({ prompt }) => 'obey: ' + prompt }
export const words = { name: 'words', count: text => text.split(/\\s+/).length }
export const other = [null, 5]
`

let peer: CliPeer
let folder: string
let file: string
let module: string
let env: Record<string, string>
let seen: string
let change: string
let ruled: readonly string[]
let overlays: string

beforeAll(async () => {
  peer = await CliPeer.start()
  env = await peer.env()
  folder = peer.folder
  file = join(folder, 'wf.jsonl')
  module = join(folder, 'definitions.mjs')
  await writeFile(module, MODULE)
  const replica = await connect({ url: peer.peer.url, token: await peer.token() })
  const context = await replica.open(Plain, { workflow: 'wf', agent: 'planner' })
  context.append('message', { role: 'user', content: 'an \u001b[31mold\u009b question' })
  for (let i = 0; i < 30; i++) context.append('message', { role: 'user', content: `message ${i} of many` })
  const step = await context.step('answer', async each => {
    await context.append('message', { role: 'user', content: 'too late to be seen' }).committed
    each.append('message', { role: 'assistant', content: 'done' })
    each.window({ budget: 9_999, as: 'anthropic' })
    return each.window({ budget: 300 }).text
  })
  seen = step.value
  change = step.change!
  await context.step('silent', each => void each.append('message', { role: 'user', content: '' }))
  for (let i = 0; i < 2; i++)
    await context.step('twice', each => void each.append('message', { role: 'user', content: 'x' }))
  const told = await replica.open(Told, { workflow: 'told', agent: 'planner' })
  told.append('note', 'the offer')
  await told.step('read', each => {
    each.window({ budget: 100, count: words })
    each.append('note', 'read')
  })
  await told.step('rendered', each => {
    each.window({ budget: 100 })
    each.append('note', 'read')
  })
  await replica.close()
  ruled = await runUnderOverlays()
  overlays = join(folder, 'overlays.jsonl')
  for (const [workflow, to] of [
    ['wf', file],
    ['ruled', join(folder, 'ruled.jsonl')],
    ['@overlays', overlays],
  ] as const) {
    const exported = await weftHere(['export', workflow, '-o', to], { env })
    expect(exported.code, exported.stderr).toBe(0)
  }
})

/** Two steps under one overlay, which is published anew in between. @returns the texts of their windows */
async function runUnderOverlays(): Promise<string[]> {
  const token = await peer.token({ scopes: ['read', 'write', 'admin'] })
  const replica = await connect({ url: peer.peer.url, token, overlays: true })
  const context = await replica.open(Plain, { workflow: 'ruled', agent: 'planner' })
  const texts: string[] = []
  for (const prompt of ['be brief', 'be kind']) {
    await replica.overlays.publish(House, { prompt }, { barrier: true })
    const { value } = await context.step(prompt, step => {
      step.append('message', { role: 'assistant', content: 'done' })
      return step.window({ budget: 300, overlays: prompt === 'be brief' ? [House] : ['house'] }).text
    })
    texts.push(value)
  }
  await replica.close()
  return texts
}

afterAll(() => peer.stop())

describe('[STP-2] weft prompt', () => {
  test('prints the window that the step saw, byte for byte, in another process', async () => {
    expect(await weft(['prompt', 'wf', 'answer'], { env })).toEqual({
      code: 0,
      stdout: `${seen}\n`,
      stderr: '',
    })
    expect(JSON.parse(seen)).toContainEqual({ role: 'user', content: 'message 29 of many' })
    expect(seen).not.toContain('too late')
  })

  test('of an export too, by the beginning of the id of its change', async () => {
    const { stdout } = await weftHere(['prompt', 'wf', change.slice(0, 10), '--file', file])
    expect(stdout).toBe(`${seen}\n`)
  })

  test('under --json, with what was left out and why; of several windows the one that is asked for', async () => {
    const prompt = await weftJson<{ leftOut: { why: string }[]; text: string }>(['prompt', 'wf', 'answer'], {
      env,
    })
    expect(prompt).toMatchObject({
      step: 'answer',
      change,
      window: 2,
      budget: 300,
      as: 'openai',
      count: 'o200k_base',
    })
    expect(prompt.text).toBe(seen)
    expect(new Set(prompt.leftOut.map(({ why }) => why))).toEqual(new Set(['budget']))
    const first = await weftJson<{ text: string }>(['prompt', 'wf', 'answer', '--window', '1'], { env })
    expect(first).toMatchObject({ window: 1, as: 'anthropic', leftOut: [] })
    expect(JSON.parse(first.text)).toMatchObject({ system: [] })
  })

  test('[OVL-2] with the overlays that the step ran under, which are newer by now', async () => {
    expect(ruled.map(text => JSON.parse(text)[0])).toEqual([
      { role: 'system', content: 'obey: be brief' },
      { role: 'system', content: '[house@2] {"prompt":"be kind"}' },
    ])
    const both = join(folder, 'both.mjs')
    await writeFile(both, `${MODULE}\nexport const Plain = { name: 'plain', version: 1, render: {} }`)
    const older = ['prompt', 'ruled', 'be brief', '--definition', both]
    expect((await weftHere(older, { env })).stdout).toBe(`${ruled[0]}\n`)
    const newer = await weftJson<{ text: string }>(['prompt', 'ruled', 'be kind'], { env })
    expect(newer).toMatchObject({ text: ruled[1], overlays: { house: 2 } })
    const exported = ['--file', join(folder, 'ruled.jsonl')]
    const fromFiles = await weftHere([...older, ...exported, '--overlays', overlays])
    expect(fromFiles, fromFiles.stderr).toMatchObject({ code: 0, stdout: `${ruled[0]}\n` })
    const lacking = await weftHere([...older, ...exported, '--json'])
    expect(lacking.code).toBe(2)
    expect(JSON.parse(lacking.stderr)).toMatchObject({
      error: { code: 'WEFT_USAGE', cure: expect.stringContaining('weft export @overlays') },
    })
    const wrong = await weftHere([...older, ...exported, '--overlays', file, '--json'])
    expect(JSON.parse(wrong.stderr)).toMatchObject({ error: { code: 'WEFT_USAGE' } })
  })

  test('with the renderers and the counters of a module', async () => {
    const { text } = await weftJson<{ text: string }>(['prompt', 'told', 'read', '--definition', module], {
      env,
    })
    expect(text).toBe('[{"role":"user","content":"noted: the offer"}]')
  })
})

test.each([
  ['a step of no name', ['wf', 'nobody'], 'WEFT_CHANGE_UNKNOWN', 2],
  ['a name of two steps', ['wf', 'twice'], 'WEFT_USAGE', 2],
  ['a step that made no window', ['wf', 'silent'], 'WEFT_WINDOW_UNKNOWN', 2],
  ['a window that it did not make', ['wf', 'answer', '--window', '3'], 'WEFT_WINDOW_UNKNOWN', 2],
  ['a window that is no number', ['wf', 'answer', '--window', 'last'], 'WEFT_WINDOW_UNKNOWN', 2],
  ['a counter that is not known', ['told', 'read'], 'WEFT_COUNTER_UNKNOWN', 2],
  ['bytes that come out otherwise', ['told', 'rendered'], 'WEFT_WINDOW_DIFFERS', 1],
  ['a module that is none', ['told', 'read', '--definition', 'nothing.mjs'], 'WEFT_FILE_INVALID', 1],
  ['a module without the definition', ['wf', 'answer', '--definition', 'MODULE'], 'WEFT_USAGE', 2],
])('%s is refused by code', async (_, args, code, exit) => {
  const given = args.map(arg => (arg === 'MODULE' ? module : arg))
  const refused = await weftHere(['prompt', ...given, '--json'], { env })
  expect(refused).toMatchObject({ code: exit, stdout: '' })
  expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code } })
})

test('weft prompt --help shows examples', async () => {
  const { code, stdout } = await weftHere(['prompt', '--help'])
  expect(code).toBe(0)
  expect(stdout).toContain('$ weft prompt ')
})
