import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { signToken } from '@weft/peer'
import { connect, type Replica } from '@weft/replica'
import { expect, onTestFinished, test } from 'vitest'
import { Run } from '../support/cli-peer.ts'
import { SECRET, ServeProcess } from '../support/peer-process.ts'
import { weftHere } from '../support/cli-run.ts'

const CANARY = 'Zq8vX2mK7pLw4RtY9sNb3HdF6jGc1aQe'

async function filesWithCanary(folder: string): Promise<string[]> {
  const names = await readdir(folder)
  const found = await Promise.all(
    names.map(async name => {
      const bytes = await readFile(join(folder, name)).catch(() => Buffer.alloc(0))
      return bytes.includes(CANARY) ? [name] : []
    }),
  )
  return found.flat()
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 10))
}

async function connected(serve: ServeProcess, ...more: 'admin'[]): Promise<Replica> {
  const scopes = ['read' as const, 'write' as const, ...more]
  const token = await signToken(SECRET, { tenant: 'acme', scopes, lifetime: 600 })
  const replica = await connect({ url: serve.url, token })
  onTestFinished(() => replica.close({ discard: true }))
  return replica
}

test('[ERA-1] [DUR-1] what is erased stays erased when the peer is killed right after it said so, and leaves its files', async () => {
  const serve = await ServeProcess.start()
  const [writer, reader] = await Promise.all([connected(serve), connected(serve)])
  const admin = await connected(serve, 'admin')
  const opened = async (replica: Replica) => replica.open(Run, { workflow: 'wf', agent: 'agent' })
  const [writing, reading, erasing] = [await opened(writer), await opened(reader), await opened(admin)]
  for (let round = 0; round < 3; round++) {
    const said = writing.append('message', { text: `round ${round}: ${CANARY}` })
    await writing.flush()
    await erasing.until(() => erasing.changes().some(({ id }) => id === said.change), {
      timeout_ms: 30_000,
    })
    const { position } = await erasing.erase([said.change!])
    // At another moment each time: before, in and after what is done on the disk behind the commit.
    await new Promise(resolve => setTimeout(resolve, round * 20))
    await serve.end('SIGKILL')
    await serve.start()
    await writing.append('message', { text: 'and on' }).committed
    await until(() => [reading, erasing].every(each => each.position >= writing.position))
    expect(writing.position).toBeGreaterThan(position!)
    for (const context of [writing, reading, erasing]) {
      const bytes = context.changes().map(change => Buffer.from(change.bytes).toString('latin1'))
      expect(bytes.join()).not.toContain(CANARY)
      expect(context.digest()).toBe(writing.digest())
    }
    erasing.append('message', { text: 'seen' })
    await erasing.flush()
  }
  while ((await filesWithCanary(serve.data)).length > 0) await new Promise(resolve => setTimeout(resolve, 50))
  await serve.end('SIGTERM')
  expect(await filesWithCanary(serve.data)).toEqual([])
  const verified = await weftHere(['verify', '--data', serve.data])
  expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('nothing is damaged')])
})
