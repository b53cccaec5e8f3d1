import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@weft/replica'
import { openLevelStore, readKeyFile } from '@weft/store-level'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawDatabase, recordKey } from '../contract/level-harness.ts'
import { CliPeer, Run, SECRET } from '../support/cli-peer.ts'
import { Running, weftHere, weftJson } from '../support/cli-run.ts'
import { filesHolding, filesIn, fingerprint } from '../support/raw-files.ts'

const CANARY = 'a word that nobody may read'

interface Repaired {
  readonly proven: boolean
  readonly contexts: readonly { readonly context: string; readonly outcome: string; readonly kept: number }[]
}

let plain: CliPeer
let folder: string
let keyFile: string
let encrypted: string
let digest: string

beforeAll(async () => {
  plain = await CliPeer.start()
  folder = await mkdtemp(join(tmpdir(), 'weft-encryption-'))
  keyFile = join(folder, 'weft.keys')
  digest = await plain.seed('wf-1', { lastWords: CANARY })
  await plain.seed('wf-2', { lastWords: CANARY })
  await plain.seed('wf-1', { tenant: 'zeta', lastWords: CANARY })
  await plain.peer.close()
  await weftJson(['key', 'new', '--to', keyFile])
  encrypted = join(folder, 'encrypted')
  const { proven } = await weftJson<Repaired>(withKey('repair', '--data', plain.data, '--to', encrypted))
  expect(proven).toBe(true)
}, 60_000)

afterAll(async () => {
  for (const each of [plain.folder, folder]) await rm(each, { recursive: true, force: true })
})

function withKey(...args: string[]): string[] {
  return [...args, '--encryption-key-file', keyFile]
}

let made = 0

async function copyOf(directory: string): Promise<string> {
  const copy = join(folder, `copy-${++made}`)
  await cp(directory, copy, { recursive: true })
  return copy
}

describe('an encrypted data directory', () => {
  test('is made of a plain one by repair, proven to hold the same, and tells nothing', async () => {
    expect((await filesHolding(plain.data, CANARY)).length).toBeGreaterThan(0)
    expect(await filesHolding(encrypted, CANARY)).toEqual([])
    const { contexts } = await weftJson<{ contexts: { ok: boolean; changes: number }[] }>(
      withKey('verify', '--data', encrypted),
    )
    expect(contexts.map(({ ok, changes }) => [ok, changes])).toEqual([
      [true, 12],
      [true, 12],
      [true, 12],
    ])
  })

  const VERBS: readonly (readonly [string, readonly string[]])[] = [
    ['verify', ['verify']],
    ['backup', ['backup', '--to', 'TARGET']],
    ['retain', ['retain', '--keep', '30d', '--dry-run']],
    ['repair', ['repair', '--to', 'TARGET']],
    ['drop', ['drop', '--tenant', 'zeta', '--yes']],
    ['serve', ['serve', '--secret', SECRET, '--port', '0']],
    ['serve --verify none', ['serve', '--secret', SECRET, '--port', '0', '--verify', 'none']],
    ['key rewrap', ['key', 'rewrap']],
  ]

  test.each(
    VERBS,
  )('is refused by %s without its key and under another, and stays as it was', async (_, verb) => {
    const data = await copyOf(encrypted)
    const other = join(folder, `other-${made}.keys`)
    await weftJson(['key', 'new', '--to', other])
    const before = await fingerprint(data)
    const args = [
      ...verb.map(each => (each === 'TARGET' ? `${data}-target` : each)),
      '--data',
      data,
      '--json',
    ]
    for (const key of [[], ['--encryption-key-file', other]]) {
      const { code, stderr } = await weftHere([...args, ...key])
      const { error } = JSON.parse(stderr) as { error: { code: string; message: string; cure: string } }
      const isUnsaid = verb[0] === 'key' && key.length === 0
      expect([error.code, code]).toEqual(isUnsaid ? ['WEFT_USAGE', 2] : ['WEFT_STORE_KEY', 4])
      expect(error.cure).toContain('key')
      expect(await fingerprint(data)).toBe(before)
    }
    expect(await readdir(folder)).not.toContain(`${data}-target`)
  })

  test('a plain one is refused with a key, but by repair', async () => {
    const before = await fingerprint(plain.data)
    for (const verb of [['verify'], ['backup', '--to', join(folder, 'no')], ['retain', '--keep', '30d']]) {
      const { code, stderr } = await weftHere(withKey(...verb, '--data', plain.data))
      expect(code).toBe(4)
      expect(stderr).toContain('WEFT_STORE_KEY')
    }
    expect(await fingerprint(plain.data)).toBe(before)
  })

  test('takes its key file from flag, environment or config file, and doctor says what is wrong', async () => {
    const data = await copyOf(encrypted)
    const config = join(folder, 'weft.config.json')
    await writeFile(config, JSON.stringify({ encryptionKeyFile: 'weft.keys' }))
    for (const [args, env] of [
      [[], { WEFT_ENCRYPTION_KEY_FILE: keyFile }],
      [['--config', config], {}],
    ] as const) {
      for (const verb of [['verify'], ['retain', '--keep', '30d', '--dry-run']]) {
        expect((await weftHere([...verb, '--data', data, ...args], { env, cwd: folder })).code).toBe(0)
      }
    }
    const finding = async (args: readonly string[]) => {
      const { stdout } = await weftHere(['doctor', '--data', data, '--json', ...args])
      const { findings } = JSON.parse(stdout) as { findings: { check: string; status: string }[] }
      return findings.find(({ check }) => check === 'data')?.status
    }
    expect(await finding([])).toBe('problem')
    expect(await finding(['--encryption-key-file', keyFile])).toBe('ok')
    expect(await finding(['--encryption-key-file', join(folder, 'none')])).toBe('problem')
  })

  test('[DUR-1] [TEN-4] a served one keeps what was acknowledged through kill -9, and never writes it plain', async () => {
    const data = join(folder, 'served')
    const args = withKey('serve', '--data', data, '--secret', SECRET, '--port', '0')
    const first = new Running(args)
    const replica = await connect({ url: await first.line(), token: await plain.token() })
    const context = await replica.open(Run, { workflow: 'wf', agent: 'writer' })
    for (let n = 0; n < 20; n++) await context.append('message', { text: `${CANARY} ${n}` }).committed
    const commandLine = await readFile(`/proc/${first.child.pid}/cmdline`, 'utf8').catch(() => '')
    await first.end('SIGKILL')
    await replica.close({ discard: true })
    const [, secret] = /^key-\S+ ([0-9a-f]{64})$/m.exec(await readFile(keyFile, 'utf8'))!
    expect(commandLine).not.toContain(secret)
    expect(await filesHolding(data, CANARY)).toEqual([])

    const second = new Running([...args, '--verify', 'full'])
    const reader = await connect({ url: await second.line(), token: await plain.token() })
    const again = await reader.open(Run, { workflow: 'wf', agent: 'reader' })
    expect(again.entries()).toHaveLength(20)
    await reader.close({ discard: true })
    expect((await second.end('SIGTERM')).code).toBe(0)
    expect(await filesHolding(data, CANARY)).toEqual([])
  }, 60_000)

  test('goes through backup, which is plain, and restore, which encrypts', async () => {
    const backup = join(folder, 'backup')
    await weftJson(withKey('backup', '--data', encrypted, '--to', backup))
    expect(await changesHolding(backup, CANARY)).toBe(3)
    const data = join(folder, 'restored')
    const { contexts } = await weftJson<{ contexts: { workflow: string; digest: string }[] }>(
      withKey('restore', '--from', backup, '--data', data),
    )
    expect(contexts.find(({ workflow }) => workflow === 'wf-1')?.digest).toBe(digest)
    expect(await filesHolding(data, CANARY)).toEqual([])
    const decrypted = join(folder, 'decrypted')
    await weftJson(['restore', '--from', backup, '--data', decrypted])
    expect((await weftHere(['verify', '--data', decrypted])).code).toBe(0)
  })

  test('[DUR-4] is repaired from a backup, also when the key of a tenant is lost', async () => {
    const backup = join(folder, 'backup-for-repair')
    await weftJson(withKey('backup', '--data', encrypted, '--to', backup))
    const data = await copyOf(encrypted)
    const db = rawDatabase(data)
    await db.open()
    const key = recordKey('acme', 'wf-2', 7)
    const value = (await db.get(key))!
    value[40]! ^= 1
    await db.put(key, value)
    await db.close()
    await loseKey(data, 'zeta')
    expect((await weftHere(withKey('verify', '--data', data))).code).toBe(1)

    const alone = await weftHere([...withKey('repair', '--data', data, '--to', `${data}-alone`), '--json'])
    expect(alone.code).toBe(1)
    const outcomes = ({ contexts }: Repaired) => contexts.map(({ context, outcome }) => [context, outcome])
    expect(outcomes(JSON.parse(alone.stdout) as Repaired)).toEqual([
      ['acme/wf-1', 'sound'],
      ['acme/wf-2', 'quarantined'],
      ['zeta/wf-1', 'quarantined'],
    ])
    expect((await weftHere(withKey('verify', '--data', `${data}-alone`))).code).toBe(1)
    expect(await filesHolding(`${data}-alone`, CANARY)).toEqual([])

    const args = withKey('repair', '--data', data, '--to', `${data}-filled`, '--from', backup)
    const filled = await weftJson<Repaired>(args)
    expect(outcomes(filled)).toEqual([
      ['acme/wf-1', 'sound'],
      ['acme/wf-2', 'filled'],
      ['zeta/wf-1', 'filled'],
    ])
    expect(filled.proven).toBe(true)
    expect((await weftHere(withKey('verify', '--data', `${data}-filled`))).code).toBe(0)
    expect(await filesHolding(`${data}-filled`, CANARY)).toEqual([])
  })

  test('a new master key is put into the file, and older ones can go after rewrap', async () => {
    const data = await copyOf(encrypted)
    const keys = join(folder, 'rotated.keys')
    await writeFile(keys, await readFile(keyFile), { mode: 0o600 })
    await weftJson(['key', 'new', '--to', keys, '--add'])
    const flags = ['--data', data, '--encryption-key-file', keys]
    expect((await weftHere(['verify', ...flags])).code).toBe(0)
    const report = await weftJson<{ rewrapped: number }>(['key', 'rewrap', ...flags])
    expect(report.rewrapped).toBe(3)
    const [newest] = (await readFile(keys, 'utf8')).match(/^key-.*$/m)!
    await writeFile(keys, `${newest}\n`)
    expect((await weftHere(['verify', ...flags])).code).toBe(0)
    expect((await weftHere(withKey('verify', '--data', data))).code).toBe(4)
  })
})

describe('weft drop', () => {
  test.each([
    ['plain', () => plain.data, []],
    ['encrypted', () => encrypted, ['--encryption-key-file']],
  ] as const)('[TEN-4] removes one tenant of a directory that is %s, and says what it was', async (how, from, flag) => {
    const data = await copyOf(from())
    const key = flag.length > 0 ? [...flag, keyFile] : []
    const drop = (...args: string[]) => weftHere(['drop', '--data', data, ...key, ...args])
    const asked = await drop('--tenant', 'acme')
    expect([asked.code, asked.stderr]).toEqual([
      2,
      expect.stringContaining('2 contexts with 24 changes of tenant acme'),
    ])
    for (const args of [['--tenant', 'acne', '--yes'], ['--tenant', '..', '--yes'], ['--yes']]) {
      expect((await drop(...args)).code).toBe(2)
    }
    expect(await weftJson(['drop', '--data', data, ...key, '--tenant', 'acme', '--yes'])).toEqual({
      ...{ tenant: 'acme', directory: data, workflows: 2, changes: 24 },
      keyDestroyed: how === 'encrypted',
    })
    const { contexts } = await weftJson<{ contexts: { tenant: string; ok: boolean; changes: number }[] }>([
      'verify',
      '--data',
      data,
      ...key,
    ])
    expect(contexts).toMatchObject([{ tenant: 'zeta', ok: true, changes: 12 }])
    expect((await drop('--tenant', 'acme', '--yes')).stderr).toContain('it holds zeta')
  })
})

test.each([
  ['plain', () => plain.data, () => []],
  ['encrypted', () => encrypted, () => ['--encryption-key-file', keyFile]],
] as const)('[TEN-4] repair of a store that is %s does not bring back a tenant whose drop was cut short', async (_, from, key) => {
  const data = await copyOf(from())
  const db = rawDatabase(data)
  await db.open()
  await db.put('!dropping\0acme', Buffer.from('acme'))
  await db.put('!dropping\0zeta', Buffer.from('zetb'))
  await db.close()
  const { contexts, proven } = await weftJson<Repaired>([
    'repair',
    '--data',
    data,
    '--to',
    `${data}-new`,
    ...key(),
  ])
  expect(contexts.map(({ context, outcome }) => [context, outcome])).toEqual([['zeta/wf-1', 'sound']])
  expect(proven).toBe(true)
  expect((await weftHere(['verify', '--data', `${data}-new`, ...key()])).stdout).not.toContain('acme')
})

/** How many of the changes in the files of a backup hold these words; they lie there in base64. */
async function changesHolding(backup: string, words: string): Promise<number> {
  const texts = [...(await filesIn(backup)).values()].map(String)
  const changes = texts.flatMap(text => [...text.matchAll(/"bytes":"([^"]+)"/g)])
  return changes.filter(([, base64]) => Buffer.from(base64!, 'base64').includes(words)).length
}

/** Destroys the key of a tenant as a drop does, and then takes back all else that it did. */
async function loseKey(data: string, tenant: string): Promise<void> {
  const aside = await copyOf(data)
  const before = new Set(await readdir(join(aside, 'keys')))
  const store = await openLevelStore(aside, { encryption: await readKeyFile(keyFile) })
  await store.tenant(tenant).drop()
  await store.close()
  for (const name of await readdir(join(aside, 'keys'))) before.delete(name)
  for (const name of before) await rm(join(data, 'keys', name))
}
