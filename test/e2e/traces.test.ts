import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { fanOutsOf, readTraces } from '@weft/cli'
import { expect, onTestFinished, test } from 'vitest'
import { weftHere, weftJson } from '../support/cli-run.ts'

const RUN = { workflow: 'w', branch: 'a', messages: [{ role: 'user', content: 'q' }] }

/** A file of these lines, as some tool has recorded them. */
async function fileOf(...lines: readonly (object | string)[]): Promise<string> {
  const texts = lines.map(line => (typeof line === 'string' ? line : JSON.stringify(line)))
  return fileWith(texts.join('\r\n'))
}

async function fileWith(content: string | Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-traces-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'runs.jsonl')
  await writeFile(file, content)
  return file
}

const saying = (...messages: unknown[]): object => ({ ...RUN, messages })

/** Written as text: what is nested that deep, nothing can make JSON of. */
function nestedBy(levels: number): string {
  return JSON.stringify(saying({ role: 'tool', content: 7 })).replace(
    '7',
    '['.repeat(levels) + ']'.repeat(levels),
  )
}

/** Calls that fit as a message, but not with what each entry has beside its call. */
function fewLarge(): string[] {
  return Array.from({ length: 4_000 }, () => 'x'.repeat(220))
}

test.each([
  ['an id', { ...RUN, workflow: 'a b' }, /1 to 128 characters/],
  ['an attempt that is there', { ...RUN, branch: 'first' }, /branch of its own/],
  ['a message', saying({ role: 'user', content: 'x'.repeat(950_000) }), /shorten or split/],
])('what to do about %s is said where it is refused', async (_, line, cure) => {
  const file = await fileOf({ ...RUN, branch: 'first' }, line)
  await expect(readTraces(file)).rejects.toMatchObject({ cure: expect.stringMatching(cure) })
})

test.each([
  ['what is not JSON', '{"workflow":"w"', 'it is not JSON'],
  ['no object', '7', 'it is not an object'],
  ['an id with a separator', { ...RUN, workflow: 'a:b' }, 'workflow id'],
  ['the branch of merges', { ...RUN, branch: 'main' }, 'merged into'],
  ["a branch of the engine's own", { ...RUN, branch: 'weft.wakes' }, "engine's own"],
  ['an attempt that is there', { ...RUN, branch: 'first' }, 'already'],
  ['no messages', { ...RUN, messages: 'q' }, 'no list of messages'],
  ['a message without a role', saying({ content: 'q' }), 'message 1 is not an object'],
  ['no message', saying({ role: 'user' }, null), 'message 2 is not an object'],
  [
    'more than a change can hold',
    saying({ role: 'user', content: 'x'.repeat(950_000) }),
    'fit into a change',
  ],
  ['more nesting than an entry has', nestedBy(70), 'message 1 cannot be an entry'],
  ['more nesting than any stack has', nestedBy(50_000), 'message 1 cannot be an entry'],
  [
    'a number that is none',
    JSON.stringify(saying({ role: 'user', content: 7 })).replace('7', '1e999'),
    'Infinity',
  ],
  ['a key of every object', saying({ role: 'tool', content: { ['__proto__']: 1 } }), '"__proto__"'],
  ['more calls than a change has entries', saying({ role: 'a', tool_calls: Array(5_000).fill(1) }), '5000'],
  ['calls that are larger as entries', saying({ role: 'a', tool_calls: fewLarge() }), 'fit into a change'],
  ['a list', '[]', 'it is not an object'],
])('a line with %s is named by its number', async (_, line, reason) => {
  const file = await fileOf({ ...RUN, branch: 'first' }, '', line)
  await expect(readTraces(file)).rejects.toMatchObject({
    code: 'WEFT_FILE_INVALID',
    message: expect.stringContaining(reason),
    details: { line: 3 },
  })
})

test('runs are played as tools write them: nulls for what is not there, parts, half a character, a mark before the text', async () => {
  const call = { id: '1', type: 'function', function: { name: 'f', arguments: 'none' } }
  const messages = [
    { role: 'developer', content: [{ type: 'text', text: 'look' }], tool_calls: null, function_call: null },
    { role: 'user', content: 'and here', tool_calls: {} },
    { role: 'assistant', content: null, tool_calls: [call, { ...call, id: '2' }] },
    { role: 'tool', tool_call_id: '2', content: null, name: `\ud800${'n'.repeat(500_000)}` },
    { role: 'tool', tool_call_id: '1', content: '\ud800' },
    { role: 'assistant', content: 'x'.repeat(900_000), refusal: null, tool_calls: [] },
  ]
  const file = await fileOf(`\ufeff${JSON.stringify({ ...RUN, messages })}`, { ...RUN, branch: 'b' }, '')
  expect(await readTraces(file)).toHaveLength(2)
  const report = await weftJson<{ ok: boolean; entries: number }>(['replay', file, '--workers', '2'])
  expect(report).toMatchObject({ ok: true, entries: 8 })
})

test('an attempt is played on its branch, also one that is alone, or that nothing tells from the others', () => {
  const messages = ['q', 'a', 'b'].map(content => ({ role: 'user', content }))
  const attempts = (...branches: string[]) => branches.map(branch => ({ workflow: 'w', branch, messages }))
  expect(fanOutsOf(attempts('a'))).toMatchObject([{ shared: [], attempts: [{ messages }] }])
  const last = { messages: messages.slice(-1) }
  expect(fanOutsOf(attempts('a', 'b'))).toMatchObject([
    { shared: messages.slice(0, -1), attempts: [last, last] },
  ])
  expect(fanOutsOf([{ workflow: 'w', branch: 'a', messages: [] }])).toMatchObject([{ shared: [] }])
})

test('a worker can be killed in the middle of a run that is alone', async () => {
  const file = await fileOf({ ...RUN, messages: [...RUN.messages, ...RUN.messages] })
  const report = await weftJson(['replay', file, '--workers', '1', '--kill-worker'])
  expect(report).toMatchObject({ ok: true, workerKilled: 'worker-1', resumedBy: 'worker-2', entries: 2 })
})

test('runs without any message are refused: nothing would be played, and nobody killed in the middle of it', async () => {
  const { code, stderr } = await weftHere(['replay', await fileOf(saying()), '--kill-worker'])
  expect([code, stderr]).toEqual([1, expect.stringMatching(/WEFT_FILE_INVALID.*not one message/)])
})

test('a file that is not UTF-8 is refused, not read with signs that nobody wrote', async () => {
  const latin = Buffer.from(
    `${JSON.stringify(RUN)}\n${JSON.stringify({ ...RUN, branch: 'b', note: 'caf\u00e9' })}\n`,
    'latin1',
  )
  await expect(readTraces(await fileWith(latin))).rejects.toMatchObject({
    code: 'WEFT_FILE_INVALID',
    message: expect.stringContaining('not UTF-8'),
    details: { line: 2 },
  })
})

test('a compressed file is told from a broken one', async () => {
  const file = await fileWith(gzipSync(JSON.stringify(RUN)))
  await expect(readTraces(file)).rejects.toMatchObject({
    code: 'WEFT_FILE_INVALID',
    message: expect.stringContaining('compressed'),
    cure: expect.stringContaining('gunzip'),
  })
})

test('what an error quotes of a file is nothing that a terminal obeys', async () => {
  const { stderr } = await weftHere(['replay', await fileOf('\u001b[2Jx')])
  expect(stderr).toContain('not JSON')
  expect(stderr).not.toContain('\u001b')
})
