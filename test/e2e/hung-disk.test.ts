import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { signToken } from '@weft/peer'
import { connect } from '@weft/replica'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Run, SECRET } from '../support/cli-peer.ts'
import { Running, weftJson } from '../support/cli-run.ts'

const TENANT = 'acme'

/**
 * A peer that has received two changes and cannot write them: the key of the tenant lies in a pipe into which nobody writes, and
 * to the thread that reads it that is a disk which does not answer.
 */
async function stuck(...flags: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'weft-hung-'))
  const keyFile = join(folder, 'weft.keys')
  await weftJson(['key', 'new', '--to', keyFile])
  const data = join(folder, 'data')
  const args = ['serve', '--data', data, '--port', '0', '--encryption-key-file', keyFile, '--verify', 'none']
  const serve = new Running([...args, '--json', ...flags], { env: { WEFT_SECRET: SECRET } })
  onTestFinished(async () => {
    await serve.end('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })
  const { url } = JSON.parse(await serve.line()) as { url: string }
  const keys = join(data, 'keys')
  await mkdir(keys, { recursive: true })
  const pipe = join(keys, createHash('sha256').update(TENANT).digest('hex'))
  await promisify(execFile)('mkfifo', [pipe])
  const token = await signToken(SECRET, { tenant: TENANT, scopes: ['read', 'write'], lifetime: 600 })
  const replica = await connect({ url, token })
  onTestFinished(() => replica.close({ discard: true }))
  const context = await replica.open(Run, { workflow: 'w', agent: 'planner', migrate: false })
  context.append('message', { text: 'received' })
  const end = await writable(pipe)
  onTestFinished(() => end.close())
  return serve
}

/** Resolves when somebody is about to read of a pipe: only then it can be opened to write without waiting. */
async function writable(pipe: string): Promise<FileHandle> {
  for (;;) {
    const end = await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined)
    if (end) return end
  }
}

async function logged(serve: Running, text: string): Promise<void> {
  let all = ''
  for await (const data of serve.child.stderr!) {
    all += String(data)
    if (all.includes(text)) return
  }
}

describe('[DUR-1] a peer whose disk does not answer', () => {
  test('ends at a second signal, whatever its threads wait for', async () => {
    const serve = await stuck()
    serve.child.kill('SIGTERM')
    await logged(serve, 'draining')
    await serve.end('SIGTERM')
    expect(serve.child.signalCode).toBe('SIGINT')
  })

  test('ends a drain when its time is over, and says what was not acknowledged', async () => {
    const serve = await stuck('--drain', '1s')
    const { stdout, stderr } = await serve.end('SIGTERM')
    expect(stdout.trim().split('\n').at(-1)).toBe('{"event":"drained","unacked":2,"stuck":true}')
    expect(stderr).toContain('not drained: the disk does not answer')
    expect(serve.child.signalCode).toBe('SIGINT')
  })
})
