import { execFile } from 'node:child_process'
import {
  access,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openLevelStore } from '@weft/store-level'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { rawDatabase, recordKey } from '../contract/level-harness.ts'
import { CliPeer, SECRET } from '../support/cli-peer.ts'
import { Running, WEFT, weft, weftHere, weftJson } from '../support/cli-run.ts'
import { until } from '../support/peer-until.ts'
import { fingerprint } from '../support/raw-files.ts'

let sound: CliPeer
let folder: string
let exported: string

beforeAll(async () => {
  sound = await CliPeer.start()
  folder = await mkdtemp(join(tmpdir(), 'weft-places-'))
  for (const tenant of ['acme', 'zeta']) await sound.seed('wf-1', { tenant })
  exported = join(folder, 'wf-1.jsonl')
  await weftJson(['export', 'wf-1', '-o', exported], { env: await sound.env() })
  await sound.peer.close()
})

afterAll(async () => {
  for (const each of [sound.folder, folder]) await rm(each, { recursive: true, force: true })
})

let made = 0
const place = (): string => join(folder, `place-${++made}`)

/** A store of its own, as the sound one. */
async function copied(to = place()): Promise<string> {
  await cp(sound.data, to, { recursive: true })
  return to
}

async function tenantsIn(data: string): Promise<string[]> {
  const store = await openLevelStore(data)
  const tenants: string[] = []
  for await (const tenant of store.tenants()) tenants.push(tenant)
  await store.close()
  return tenants
}

async function served(): Promise<{ peer: CliPeer; env: Record<string, string> }> {
  const peer = await CliPeer.start()
  onTestFinished(() => peer.stop())
  for (const tenant of ['acme', 'zeta']) await peer.seed('wf-1', { tenant })
  return { peer, env: await peer.env({ scopes: ['read', 'write', 'admin'] }) }
}

describe('weft repair', () => {
  test.each([
    [
      'the store that it is to repair',
      async (to: string) => ({ data: await copied(`${to}.part`), other: `${to}.part` }),
    ],
    ['another store', async (to: string) => ({ data: await copied(), other: await copied(`${to}.part`) })],
  ])('takes nothing away that lies beside the new one: %s', async (_, scene) => {
    for (const flags of [['--dry-run'], []]) {
      const to = place()
      const { data, other } = await scene(to)
      const before = await fingerprint(other)
      expect((await weftHere(['repair', '--data', data, '--to', to, ...flags])).code).toBe(0)
      expect(await fingerprint(other)).toEqual(before)
      if (flags.length === 0) expect(await tenantsIn(to)).toEqual(['acme', 'zeta'])
      else await expect(access(to)).rejects.toThrow('ENOENT')
    }
  })

  test('makes nothing inside of the store that it is to repair', async () => {
    const data = await copied()
    const { code, stderr } = await weftHere(['repair', '--data', data, '--to', join(data, 'new')])
    expect([code, stderr]).toEqual([2, expect.stringContaining('which holds a store')])
  })

  test('leaves nothing behind but the new store, and two that make the same have one of them', async () => {
    const [data, other, to] = [await copied(), await copied(), place()]
    const args = (from: string) => ['repair', '--data', from, '--to', to]
    const codes = await Promise.all([weft(args(data)), weft(args(other))]).then(all =>
      all.map(({ code }) => code).sort(),
    )
    expect(codes).toEqual([0, 2])
    expect(await tenantsIn(to)).toEqual(['acme', 'zeta'])
    expect((await readdir(folder)).filter(name => name.includes('.part-'))).toEqual([])
  })
})

describe('weft export', () => {
  const env = {}
  const exportTo = (path: string) => weftHere(['export', 'wf-1', '--file', exported, '-o', path], { env })

  test('writes through a link, to what it leads to, also where there is nothing yet', async () => {
    const [target, link] = [place(), place()]
    await symlink(target, link)
    for (let round = 0; round < 2; round++) {
      expect((await exportTo(link)).code).toBe(0)
      expect(await readlink(link)).toBe(target)
      expect((await lstat(target)).isFile()).toBe(true)
      expect((await weftHere(['verify', '--file', target])).code).toBe(0)
    }
  })

  test('writes to a pipe as it is', async () => {
    const pipe = place()
    await promisify(execFile)('mkfifo', [pipe])
    const [text, { code }] = await Promise.all([readFile(pipe, 'utf8'), exportTo(pipe)])
    expect(code).toBe(0)
    expect(text).toBe(await readFile(exported, 'utf8'))
    expect((await lstat(pipe)).isFIFO()).toBe(true)
  })

  test('takes nothing away that lies beside the file', async () => {
    const to = place()
    await writeFile(`${to}.part`, 'mine')
    expect((await exportTo(to)).code).toBe(0)
    expect(await readFile(`${to}.part`, 'utf8')).toBe('mine')
  })

  test('has a whole file under the name, however many write it', async () => {
    const to = place()
    const all = await Promise.all(Array.from({ length: 4 }, () => exportTo(to)))
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0])
    expect(await readFile(to, 'utf8')).toBe(await readFile(exported, 'utf8'))
  })
})

describe('weft backup', () => {
  test('takes nothing away that lies beside the new directory', async () => {
    const to = place()
    await writeFile(`${to}.part`, 'mine')
    expect((await weftHere(['backup', '--data', await copied(), '--to', to])).code).toBe(0)
    expect(await readFile(`${to}.part`, 'utf8')).toBe('mine')
  })

  test('says what is in the way, and makes nothing inside of a store', async () => {
    const data = await copied()
    const dangling = place()
    await symlink(place(), dangling)
    for (const [to, reason] of [
      [join(data, 'backup'), 'which holds a store'],
      [dangling, 'is there already'],
      [join(exported, 'backup'), 'cannot be made'],
    ] as const) {
      const { code, stderr } = await weftHere(['backup', '--data', data, '--to', to])
      expect([code, stderr]).toEqual([2, expect.stringContaining(reason)])
    }
  })

  test('is of all tenants of a directory, whatever tenant is in the environment, and of no tenant that is not there', async () => {
    const data = await copied()
    const env = { WEFT_TENANT: 'acme' }
    expect(await weftJson(['backup', '--data', data, '--to', place()], { env })).toMatchObject({
      contexts: 2,
    })
    for (const tenant of ['acmee', 'a!b']) {
      const to = place()
      const { code, stderr } = await weftHere(['backup', '--data', data, '--to', to, '--tenant', tenant])
      expect([code, stderr]).toEqual([2, expect.stringContaining(tenant)])
      await expect(access(to)).rejects.toThrow('ENOENT')
    }
  })
})

describe('[TEN-4] what removes goes to the place that was named', () => {
  test.each([
    ['drop', ['drop', '--tenant', 'acme', '--yes']],
    ['retain', ['retain']],
  ])('weft %s asks the peer, whatever directory is in the environment', async (_, args) => {
    const { env } = await served()
    const data = await copied()
    const { WEFT_URL, WEFT_TOKEN } = env as { WEFT_URL: string; WEFT_TOKEN: string }
    const flags = ['--url', WEFT_URL, '--token', WEFT_TOKEN]
    const { code, stdout } = await weftHere([...args, ...flags], { env: { WEFT_DATA: data } })
    expect([code, stdout]).toEqual([0, expect.not.stringContaining(data)])
    expect(await tenantsIn(data)).toEqual(['acme', 'zeta'])
    const both = await weftHere([...args, ...flags, '--data', data])
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('two places')])
  })

  test('and takes a tenant of a directory by its flag alone, if it is there', async () => {
    const data = await copied()
    const env = { WEFT_TENANT: 'acme' }
    for (const [args, reason] of [
      [['drop', '--yes'], 'which tenant'],
      [['retain', '--keep', '1s', '--tenant', 'acmee'], 'acmee'],
    ] as const) {
      const { code, stderr } = await weftHere([...args, '--data', data], { env })
      expect([code, stderr]).toEqual([2, expect.stringContaining(reason)])
    }
    expect(await tenantsIn(data)).toEqual(['acme', 'zeta'])
  })
})

describe('a command whose reader has gone', () => {
  const piped = async (args: string) => {
    const line = `"${process.execPath}" "${WEFT}" ${args} | true; echo "\${PIPESTATUS[0]}"`
    return (await promisify(execFile)('bash', ['-c', line])).stdout.trim()
  }

  test('has the exit code of what it found', async () => {
    const data = await copied()
    expect(await piped(`verify --data ${data}`)).toBe('0')
    const db = rawDatabase(data)
    await db.open()
    await db.del(recordKey('acme', 'wf-1', 3))
    await db.close()
    expect(await piped(`verify --data ${data}`)).toBe('1')
  })

  test('does all that it was asked for', async () => {
    const data = await copied()
    expect(await piped(`drop --tenant acme --yes --data ${data}`)).toBe('0')
    expect(await tenantsIn(data)).toEqual(['zeta'])
  })
})

test('weft serve that is told to end while it looks at its store ends, and leaves that free', async () => {
  const data = await copied()
  const serve = new Running(['serve', '--data', data, '--port', '0', '--verify', 'full'], {
    env: { WEFT_SECRET: SECRET },
  })
  const isLooking = async () => (await readdir(data)).some(name => name.startsWith('borrowed-'))
  await until(isLooking, 'it looks at its store')
  const { code } = await serve.end('SIGTERM')
  expect(code).toBe(0)
  await until(async () => (await weftHere(['verify', '--data', data])).code === 0, 'it is free')
})

test('[ERA-1] a store that is opened keeps no links of a look that was cut short', async () => {
  const data = await copied()
  await mkdir(join(data, 'borrowed-xyz', 'store'), { recursive: true })
  await writeFile(join(data, 'borrowed-xyz', 'store', '000007.ldb'), 'what is erased meanwhile')
  await (await openLevelStore(data)).close()
  expect((await readdir(data)).filter(name => name.startsWith('borrowed-'))).toEqual([])
})

describe('an address', () => {
  test.each([
    ['ws://127.0.0.1:1#x'],
    ['ws://user:hidden@127.0.0.1:1'],
    ['http://127.0.0.1:1'],
  ])('that is none of a peer is refused: %s', async url => {
    const { code, stderr, stdout } = await weftHere(['log', 'wf-1', '--url', url, '--token', 'x'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('not the address of a peer')])
    const doctor = await weftHere(['doctor', '--json'], { env: { WEFT_URL: url } })
    expect(stdout + stderr + doctor.stdout + doctor.stderr).not.toContain('hidden')
  })

  test('may be written with capitals', async () => {
    const { env } = await served()
    const url = env.WEFT_URL!.replace('ws:', 'WS:')
    expect((await weftHere(['retain'], { env: { ...env, WEFT_URL: url } })).code).toBe(0)
  })

  test('where something hangs up is told of as the network’s', async () => {
    const server = createServer(socket => socket.destroy())
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const WEFT_URL = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
    for (const args of [['retain'], ['webhooks'], ['backup', '--to', place()]]) {
      const { code, stderr } = await weftHere(args, { env: { WEFT_URL, WEFT_TOKEN: 'x' } })
      expect([code, stderr]).toEqual([3, expect.stringContaining('error WEFT_PEER_UNREACHABLE')])
    }
  })
})

test('a time that nothing lasts is refused, and so is one that no timer runs', async () => {
  const env = { WEFT_SECRET: SECRET }
  const token = ['token', '--tenant', 'acme']
  expect((await weftHere([...token, '--expires', '36500d'], { env })).code).toBe(0)
  const long = await weftHere([...token, '--expires', '999999999d'], { env })
  expect([long.code, long.stderr]).toEqual([2, expect.stringContaining('36500d')])
  const wait = await weftHere(['log', 'wf-1', '--token', 'x', '--timeout', '25d'])
  expect([wait.code, wait.stderr]).toEqual([2, expect.stringContaining('24d')])
})

test('a config file may begin with a byte order mark', async () => {
  const config = join(folder, 'marked.json')
  await writeFile(config, '\ufeff{"port": 7777}')
  const { stdout } = await weftHere(['doctor', '--json', '--config', config, '--timeout', '1s'])
  expect(stdout).toContain('"7777"')
})

test('weft key new --add writes through a link', async () => {
  const [file, link] = [place(), place()]
  await weftJson(['key', 'new', '--to', file])
  await symlink(file, link)
  expect((await weftHere(['key', 'new', '--add', '--to', link])).code).toBe(0)
  expect((await readFile(file, 'utf8')).split('\n').filter(line => line.startsWith('key-'))).toHaveLength(2)
  expect((await lstat(link)).isSymbolicLink()).toBe(true)
})
