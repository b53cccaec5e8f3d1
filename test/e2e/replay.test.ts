import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { weft } from '../support/cli-run.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { WEFT } from '../support/peer-process.ts'

const SAMPLE = fileURLToPath(new URL('../../packages/cli/samples/fan-outs.jsonl', import.meta.url))

/** Runs `weft replay` with a folder of its own for what it leaves behind. */
async function replay(...args: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'weft-replay-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const env = { PATH: process.env.PATH, TMPDIR: folder }
  return new Promise<{ code: number; stdout: string; stderr: string; left: string[] }>(resolve => {
    const child = execFile(
      process.execPath,
      [WEFT, 'replay', ...args],
      { env },
      async (_, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, stdout, stderr, left: await readdir(folder) })
      },
    )
  })
}

test('a replay with a worker and the peer killed holds all that it promises, and leaves nothing behind', async () => {
  const { code, stdout, left } = await replay(
    SAMPLE,
    '--workers',
    '3',
    '--kill-worker',
    '--kill-peer',
    '--json',
  )
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Record<string, unknown>
  expect(report).toMatchObject({
    ackedLost: 0,
    digestsEqual: true,
    foreignBytes: 0,
    causal: true,
    peerKilled: true,
    ok: true,
  })
  const counts = [
    'workflows',
    'branches',
    'entries',
    'acked',
    'replicas',
    'conflicts',
    'staleReads',
    'handoffs',
  ]
  for (const count of [...counts, 'seconds']) {
    expect(report[count], count).toBeTypeOf('number')
    expect(report[count], count).toBeGreaterThan(0)
  }
  expect(report.workerKilled).toBeTypeOf('string')
  expect(report.resumedBy).toBeTypeOf('string')
  expect(report.resumedBy).not.toBe(report.workerKilled)
  expect(code).toBe(0)
  expect(left).toEqual([])
})

test('a broken line is named by its number, and nothing is played', async () => {
  const lines = (await readFile(SAMPLE, 'utf8')).split('\n')
  lines[2] = lines[2]!.slice(0, -5)
  const folder = await mkdtemp(join(tmpdir(), 'weft-broken-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'broken.jsonl')
  await writeFile(file, lines.join('\n'))
  const { code, stdout, stderr } = await replay(file, '--json')
  expect(code).not.toBe(0)
  expect(stdout + stderr).toMatch(/WEFT_FILE_INVALID/)
  expect(stdout + stderr).toMatch(/(?:line |:)3\b/)
})

test('a file that is not there is refused', async () => {
  const { code, stdout, stderr } = await replay('nowhere.jsonl')
  expect(code).not.toBe(0)
  expect(stdout + stderr).toContain('nowhere.jsonl')
})

test('a worker that is asked what it holds before it has connected answers when it has', async () => {
  const harness = await PeerHarness.start()
  const tenants = [{ tenant: 'acme', token: await harness.token(), mark: 'mark' }]
  const module = new URL('../../packages/cli/lib/replay/worker-main.js', import.meta.url)
  const worker = fork(module, { serialization: 'advanced' })
  onTestFinished(() => void worker.kill('SIGKILL'))
  worker.send({ type: 'start', agent: 'worker-1', connection: { url: harness.url, tenants } })
  worker.send({ type: 'inspect', contexts: [{ tenant: 'acme', workflow: 'w', position: 0 }] })
  expect((await once(worker, 'message'))[0]).toEqual({ type: 'ready' })
  expect((await once(worker, 'message'))[0]).toMatchObject({
    type: 'inspected',
    contexts: [{ workflow: 'w' }],
  })
})

test.each([
  ['replay', SAMPLE],
  ['dev'],
])('weft %s says that it may not write where temporary files are', async (...args) => {
  const { code, stderr } = await weft([...args, '--json'], { env: { TMPDIR: '/dev/null' } })
  expect(JSON.parse(stderr)).toMatchObject({
    error: { code: 'WEFT_STORE_FAILED', cure: expect.stringContaining('TMPDIR') },
  })
  expect(code).toBe(4)
})
