import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@weft/replica'
import { signToken } from '@weft/peer'
import { expect, onTestFinished, test } from 'vitest'
import { CliPeer, Run, SECRET } from '../support/cli-peer.ts'
import { fingerprint } from '../support/raw-files.ts'
import { Running, weft, weftHere, weftJson } from '../support/cli-run.ts'

const ALL = ['read', 'write', 'admin'] as const

/** A peer in a process of its own, on an encrypted directory with two tenants. */
async function served() {
  const folder = await mkdtemp(join(tmpdir(), 'weft-drop-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const [data, keys] = [join(folder, 'data'), join(folder, 'weft.keys')]
  await weftJson(['key', 'new', '--to', keys])
  const encryption = ['--encryption-key-file', keys]
  const peer = new Running(['serve', '--data', data, '--secret', SECRET, '--port', '0', ...encryption])
  const url = await peer.line()
  for (const tenant of ['acme', 'zeta']) {
    const token = await signToken(SECRET, { tenant, scopes: ALL, lifetime: 600 })
    const replica = await connect({ url, token })
    const context = await replica.open(Run, { workflow: 'w', agent: 'a' })
    await context.append('message', { text: 'work' }).committed
    await replica.close()
  }
  const token = await signToken(SECRET, { tenant: 'acme', scopes: ALL, lifetime: 600 })
  const env = { WEFT_URL: url, WEFT_TOKEN: token }
  const keyOf = (tenant: string) =>
    readFile(join(data, 'keys', createHash('sha256').update(tenant).digest('hex')), 'hex')
  return {
    data,
    peer,
    encryption,
    env,
    keyOf,
    drop: (...args: string[]) => weftHere(['drop', ...args], { env }),
  }
}

test('[TEN-4] weft drop removes a tenant from a running peer, with its key, and its tokens stay revoked', async () => {
  const { data, peer, encryption, env, keyOf, drop } = await served()
  const before = [await keyOf('acme'), await keyOf('zeta')]
  const asked = await drop('--tenant', 'acme')
  expect(asked.code).toBe(2)
  expect(asked.stderr).toContain('this removes 1 context with 2 changes of tenant acme for good')
  expect((await drop('--tenant', 'zeta', '--yes')).stderr).toContain('the token is of tenant acme')
  const dropped = await drop('--tenant', 'acme', '--yes')
  expect(dropped.stdout).toBe('removed tenant acme: 1 context with 2 changes; its tokens are revoked\n')
  expect(dropped.code).toBe(0)
  expect((await drop('--tenant', 'acme', '--yes')).stderr).toContain('WEFT_TOKEN_REVOKED')
  expect((await weftHere(['log', 'w'], { env })).stderr).toContain('WEFT_TOKEN_REVOKED')
  const [acme, zeta] = [await keyOf('acme'), await keyOf('zeta')]
  expect(acme).not.toBe(before[0])
  expect(zeta).toBe(before[1])
  expect((await peer.end('SIGTERM')).code).toBe(0)
  const { contexts } = await weftJson<{ contexts: { tenant: string; workflow: string; ok: boolean }[] }>([
    ...['verify', '--data', data],
    ...encryption,
  ])
  expect(contexts.map(({ tenant, workflow, ok }) => [tenant, workflow, ok])).toEqual([
    ['acme', '@overlays', true],
    ['zeta', 'w', true],
  ])
}, 60_000)

test.each([
  ['drop', ['drop', '--tenant', 'acme', '--yes']],
  ['retain', ['retain', '--keep', '1s']],
])(
  '[DUR-4] weft %s does not die with LevelDB when that aborts on a directory',
  async (_, verb) => {
    const cli = await CliPeer.start()
    onTestFinished(() => rm(cli.folder, { recursive: true, force: true }))
    await cli.seed('w')
    await cli.peer.close()
    const before = await fingerprint(cli.data)
    const abort = join(cli.folder, 'abort.cjs')
    await writeFile(abort, "if (process.argv[1].endsWith('store-check-child.js')) process.abort()")
    const env = { NODE_OPTIONS: `--require ${abort}` }
    const { code, stderr } = await weft([...verb, '--data', cli.data], { env })
    expect(stderr).toMatch(/LevelDB ended the process that read the store in \S+ \(SIGABRT\)/)
    expect(code).toBe(4)
    expect(await fingerprint(cli.data)).toBe(before)
  },
  30_000,
)

test('a peer that does not answer in time may be at it still, and the command says so', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  onTestFinished(() => {
    silent.closeAllConnections()
    silent.close()
  })
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const env = { WEFT_URL: `ws://127.0.0.1:${port}`, WEFT_TOKEN: 'any', WEFT_TIMEOUT: '1s' }
  const { code, stderr } = await weftHere(['drop', '--tenant', 'acme', '--yes'], { env })
  expect(stderr).toContain('WEFT_PEER_UNREACHABLE: the peer has not answered within 1 s, and may still do')
  expect(code).toBe(3)
})
