import { execFile } from 'node:child_process'
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { connect } from '@weft/replica'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliPeer, SECRET } from '../support/cli-peer.ts'
import { Running, WEFT, weft, weftHere, weftJson } from '../support/cli-run.ts'

const VERBS =
  'serve dev gateway token log show diff graph why blast conflicts resolve audit handoff prompt verify retain drop export import doctor completion'.split(
    ' ',
  )

let peer: CliPeer
let env: Record<string, string>
let folder: string

beforeAll(async () => {
  peer = await CliPeer.start()
  folder = await mkdtemp(join(tmpdir(), 'weft-cli-files-'))
  env = await peer.env()
  await peer.seed('wf-1', { lastWords: 'done \x1b[31mred\x1b[0m' })
})

afterAll(async () => {
  await peer.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('what is refused is refused with a cure and exit code 2', () => {
  test.each([
    ['an unknown flag', ['log', 'wf-1', '--limt', '3'], "unknown option '--limt'", 'did you mean --limit?'],
    ['an unknown command', ['verfiy'], "unknown command 'verfiy'", 'did you mean verify?'],
    ['a missing argument', ['diff', 'wf-1', 'a'], "missing required argument 'b'", 'weft --help'],
    ['too many arguments', ['doctor', 'now'], 'too many arguments', 'weft --help'],
    ['a choice that is none', ['log', 'wf-1', '--order', 'up'], 'Allowed choices are', 'weft --help'],
    ['an id with a separator', ['log', 'a:b', '--token', 'x'], 'workflow id "a:b"', '1 to 128 characters'],
    ['no token', ['log', 'wf-1'], '--token is missing', 'set WEFT_TOKEN'],
    [
      'an url that is none',
      ['log', 'wf-1', '--url', 'http://x'],
      '--url: "http://x"',
      'write ws://host:port',
    ],
    ['a short secret', ['serve', '--data', 'd', '--secret', 'short'], 'has 5 bytes', 'openssl rand'],
    ['no secret', ['serve', '--data', 'd'], 'no key for tokens', 'openssl rand'],
    [
      'two keys',
      ['serve', '--data', 'd', '--secret', SECRET, '--public-key', 'k'],
      'both given',
      'leave one',
    ],
    ['no data', ['serve', '--secret', SECRET], '--data is missing', 'WEFT_DATA'],
    [
      'an unknown scope',
      ['token', '--tenant', 't', '--scope', 'raed', '--secret', SECRET],
      'raed',
      'mean read?',
    ],
    [
      'no duration',
      ['token', '--tenant', 't', '--expires', 'soon', '--secret', SECRET],
      'soon',
      'for example',
    ],
    [
      'a store that is not there',
      ['verify', '--data', 'nowhere'],
      'there is no store in',
      'weft serve --data',
    ],
  ])('%s', async (_, args, message, cure) => {
    const { code, stdout, stderr } = await weftHere(args, { cwd: folder })
    expect(stderr).toContain(message)
    expect(stderr.split('\n  cure: ')[1]).toContain(cure)
    expect(stderr).toMatch(/^error WEFT_[A-Z_]+: /)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  test('under --json as JSON', async () => {
    const { code, stderr } = await weftHere(['log', 'wf-1', '--limt', '3', '--json'])
    const { error } = JSON.parse(stderr) as { error: { code: string; cure: string } }
    expect({ exit: code, ...error }).toMatchObject({
      exit: 2,
      code: 'WEFT_USAGE',
      cure: 'did you mean --limit?',
    })
  })

  test('a config file with an unknown key', async () => {
    await writeFile(join(folder, 'bad.json'), '{ "ulr": "ws://x" }')
    const { code, stderr } = await weftHere(['log', 'wf-1', '--config', 'bad.json'], { cwd: folder })
    expect(stderr).toContain('bad.json has an unknown key "ulr"')
    expect(stderr).toContain('did you mean "url"?')
    expect(code).toBe(2)
  })
})

test('a stdout that cannot be written to is told of by code', async () => {
  const line = `"${process.execPath}" "${WEFT}" --help 1< "${WEFT}"`
  const broken = await promisify(execFile)('bash', ['-c', line]).catch((error: unknown) => error)
  expect(broken).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^error WEFT_USAGE: stdout cannot be written.*\n {2}cure: .*\n$/),
  })
})

test('help names every verb and every exit code, and each verb has an example', async () => {
  const [{ stdout, code }, ...each] = await Promise.all([
    weft(['--help']),
    ...VERBS.map(verb => weftHere(['help', verb])),
  ])
  for (const verb of VERBS) expect(stdout).toMatch(new RegExp(`^  ${verb}\\b`, 'm'))
  expect(stdout).toMatch(/Exit codes:\n {2}0 .*\n {2}1 /)
  expect(code).toBe(0)
  for (const help of each) expect(help.stdout).toMatch(/Examples:\n {2}\$ /)
  expect((await weft(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})

describe('a peer', () => {
  test('drains at SIGTERM with a client connected, and exits 0', async () => {
    const data = join(folder, 'drain')
    const serve = new Running(['serve', '--data', data, '--port', '0', '--json'], {
      env: { WEFT_SECRET: SECRET },
    })
    const { url, port } = JSON.parse(await serve.line()) as { url: string; port: number }
    const replica = await connect({ url, token: await peer.token() })
    const inUse = await Promise.all([
      weft(['serve', '--data', data, '--port', '0', '--secret', SECRET]),
      weft(['serve', '--data', `${data}2`, '--port', String(port), '--secret', SECRET]),
      weftHere(['verify', '--data', data]),
    ])
    expect(inUse.map(({ code, stderr }) => [code, /^error (\w+)/m.exec(stderr)?.[1]])).toEqual([
      [4, 'WEFT_STORE_LOCKED'],
      [3, 'WEFT_PORT_IN_USE'],
      [4, 'WEFT_STORE_LOCKED'],
    ])
    const { code, stdout, stderr } = await serve.end('SIGTERM')
    expect(code).toBe(0)
    expect(stdout.trim().split('\n').at(-1)).toBe('{"event":"drained","unacked":0}')
    for (const line of stderr.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level')
    await replica.close({ discard: true })
  })

  test('of `dev` is ready to paste, and leaves nothing behind', async () => {
    const dev = new Running(['dev', '--port', '0', '--tenant', 'try'])
    const pasted = [await dev.line(), await dev.line()].map(line => /^export (WEFT_\w+)=(\S+)$/.exec(line)!)
    const found = Object.fromEntries(pasted.map(([, name, value]) => [name, value])) as Record<string, string>
    const doctor = await weftJson<Doctor>(['doctor'], { env: found })
    expect(statusOf(doctor, 'access')).toBe('ok')
    const { code, stderr } = await dev.end('SIGINT')
    expect(code).toBe(0)
    expect(stderr).toContain('drained: everything')
    const data = new Running(['dev', '--port', '0', '--json'])
    const made = JSON.parse(await data.line()) as { data: string }
    await access(made.data)
    await data.end('SIGTERM')
    await expect(access(made.data)).rejects.toThrow('ENOENT')
  })

  test.each([
    ['an expired token', () => peer.token({ lifetime: -5 }), 'WEFT_TOKEN_EXPIRED'],
    ['a token for another audience', () => peer.token({ audience: 'else' }), 'WEFT_TOKEN_AUDIENCE'],
    ['a token of another secret', () => peer.token({}, SECRET.toUpperCase()), 'WEFT_TOKEN_INVALID'],
    ['an unsigned token', async () => unsigned(await peer.token()), 'WEFT_TOKEN_'],
    ['a token for other workflows', () => peer.token({ workflows: 'x-*' }), 'WEFT_WORKFLOW_FORBIDDEN'],
    ['a token that may not read', () => peer.token({ scopes: ['write'] }), 'WEFT_SCOPE'],
  ])('[TEN-1] refuses %s, and the command exits with 3', async (_, token, expected) => {
    const { code, stdout, stderr } = await weftHere(['log', 'wf-1'], {
      env: { ...env, WEFT_TOKEN: await token() },
    })
    expect(stderr).toContain(`error ${expected}`)
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
  })

  test('that is not there is said so at once', async () => {
    const { code, stderr } = await weft(['log', 'wf-1'], { env: { ...env, WEFT_URL: 'ws://127.0.0.1:1' } })
    expect(stderr).toMatch(/^error WEFT_PEER_UNREACHABLE: .*ECONNREFUSED/)
    expect(code).toBe(3)
  })

  test('takes the token that `weft token` makes', async () => {
    await writeFile(join(folder, 'secret'), `${SECRET}\n`)
    const args = [
      'token',
      '--tenant',
      'acme',
      '--scope',
      'read',
      '--workflows',
      'wf-*',
      '--secret-file',
      'secret',
    ]
    const { stdout } = await weft(args, { cwd: folder })
    const log = await weft(['log', 'wf-1', '--limit', '2'], {
      env: { ...env, WEFT_TOKEN: stdout.trim() },
    })
    expect(log.stdout.trim().split('\n')).toHaveLength(2)
  })
})

describe('reading', () => {
  test('log shows changes in order, filters, and keeps escape sequences from the terminal', async () => {
    const [all, left, pointer, interleaved] = await Promise.all([
      weftHere(['log', 'wf-1'], { env }),
      weftHere(['log', 'wf-1', '--branch', 'left', '--own', '--json'], { env }),
      weftHere(['log', 'wf-1', '--pointer', '/format', '--json'], { env }),
      weftHere(['log', 'wf-1', '--order', 'interleaved', '--json'], { env }),
    ])
    expect(all.stdout.trim().split('\n')).toHaveLength(12)
    expect(all.stdout).toMatch(/^ +1 {2}[0-9a-f]{8} {2}main +weft .*\[\/format \/plan\]$/m)
    expect(all.stdout).toContain('message: done [31mred')
    expect(all.stdout).not.toContain('\x1b')
    expect(jsonLines(left.stdout).map(({ branch }) => branch)).toEqual(['left', 'left', 'left'])
    expect(jsonLines(pointer.stdout)).toHaveLength(3)
    const lamports = jsonLines(interleaved.stdout).map(({ lamport }) => lamport as number)
    expect(lamports).toEqual([...lamports].sort((a, b) => a - b))
  })

  test('show tells state and conflicts, also of the past, and one change by its prefix', async () => {
    const [now, then, log] = await Promise.all([
      weftJson<Overview>(['show', 'wf-1'], { env }),
      weftJson<Overview>(['show', 'wf-1', '--at', '2'], { env }),
      weftHere(['log', 'wf-1', '--kind', 'message', '--limit', '1', '--json'], { env }),
    ])
    expect(now).toMatchObject({ changes: 12, entries: 6, state: { plan: ['rest'] } })
    expect(now.conflicts.map(({ pointer }) => pointer)).toEqual(['/format'])
    expect(then).toMatchObject({ changes: 2, state: { format: 'text', plan: [] }, conflicts: [] })
    const id = jsonLines(log.stdout)[0]!.change as string
    const one = await weftJson<{ change: string }>(['show', 'wf-1', id.slice(0, 12)], { env })
    expect(one.change).toBe(id)
    const none = await weftHere(['show', 'wf-1', 'feedfacefeed'], { env })
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('error WEFT_CHANGE_UNKNOWN')])
  })

  test('diff compares branches, positions and changes', async () => {
    const [branches, past] = await Promise.all([
      weftJson<Difference>(['diff', 'wf-1', 'left', 'right'], { env }),
      weftJson<Difference>(['diff', 'wf-1', '@2', 'main'], { env }),
    ])
    expect([branches.onlyInA.length, branches.onlyInB.length]).toEqual([2, 2])
    expect(branches.state).toEqual([{ pointer: '/format', a: 'left', b: 'right' }])
    expect([past.onlyInA.length, past.onlyInB.length]).toEqual([0, 5])
    const meant = await weftHere(['diff', 'wf-1', 'lft', 'right'], { env })
    expect(meant.stderr).toContain('did you mean branch left?')
  })

  test('graph draws lanes, in colour only where it is wanted', async () => {
    const [plain, coloured] = await Promise.all([
      weftHere(['graph', 'wf-1'], { env }),
      weftHere(['graph', 'wf-1'], { env: { ...env, FORCE_COLOR: '1' } }),
    ])
    const lanes = plain.stdout.split('\n').map(line => /^[^a-z]*/.exec(line)![0].trimEnd())
    expect(lanes).toEqual(['●', '●', '├─╮', '● │', '│ ●', '├─╯', '●', '●', ''])
    expect(coloured.stdout).toContain('\x1b[')
  })

  test('ends quietly when nobody reads on', async () => {
    const line = `"${process.execPath}" "${WEFT}" export wf-1 | head -c 10; echo " \${PIPESTATUS[0]}"`
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', line], {
      env: { ...process.env, ...env },
    })
    expect([stdout.slice(0, 10), stderr]).toEqual(['{"weft":"e', ''])
    expect(stdout.trim()).toMatch(/ 0$/)
  })
})

describe('doctor', () => {
  test('finds all well, and tells where each value came from without its secrets', async () => {
    await writeFile(
      join(folder, 'weft.config.json'),
      JSON.stringify({ audience: 'filed', timeout: '7s', port: 1 }),
    )
    const told = { ...env, WEFT_PORT: '2' }
    const doctor = await weftJson<Doctor>(['doctor', '--timeout', '5s'], { cwd: folder, env: told })
    await rm(join(folder, 'weft.config.json'))
    expect(doctor.ok).toBe(true)
    const from = Object.fromEntries(doctor.settings.map(each => [each.name, each.from]))
    expect(from).toMatchObject({
      timeout: '--timeout',
      port: 'WEFT_PORT',
      audience: 'audience in weft.config.json',
      host: 'default',
    })
    expect(JSON.stringify(doctor)).not.toContain(env.WEFT_TOKEN)
  })

  test('names each problem and its cure, and exits with 1', async () => {
    const token = await peer.token({ lifetime: -5 })
    const bad = { WEFT_URL: 'ws://127.0.0.1:1', WEFT_TOKEN: token, WEFT_TOKNE: 'x' }
    const { code, stdout } = await weftHere(['doctor', '--data', peer.data, '--json'], { env: bad })
    const doctor = JSON.parse(stdout) as Doctor
    expect(code).toBe(1)
    for (const check of ['environment', 'data', 'peer', 'token'])
      expect(statusOf(doctor, check)).toBe('problem')
    expect(doctor.findings.find(({ check }) => check === 'environment')!.cure).toBe(
      'did you mean WEFT_TOKEN?',
    )
  })
})

test('completion scripts know every verb, and bash completes with them', async () => {
  const scripts = await Promise.all(['bash', 'zsh', 'fish'].map(shell => weftHere(['completion', shell])))
  const { stdout: help } = await weftHere(['--help'])
  const verbs = [...help.matchAll(/^ {2}([a-z]+) [[<]/gm)]
    .map(([, verb]) => verb!)
    .filter(verb => verb !== 'help')
  expect(verbs).toEqual(expect.arrayContaining(VERBS))
  for (const { stdout } of scripts)
    for (const verb of verbs) expect(stdout).toMatch(new RegExp(`\\b${verb}\\b`))
  const file = await written('weft.bash', Buffer.from(scripts[0]!.stdout))
  const asks = [
    ['ver', 'weft ver', 1],
    ['--po', 'weft serve --po', 2],
    ['in', 'weft log --order in', 3],
  ].map(
    ([, words, at]) =>
      `COMP_WORDS=(${words}); COMP_CWORD=${at}; COMPREPLY=(); _weft; echo "\${COMPREPLY[@]}"`,
  )
  const { stdout } = await promisify(execFile)('bash', ['-c', [`source ${file}`, ...asks].join('\n')])
  expect(stdout.trim().split('\n')).toEqual(['verify', '--port', 'interleaved'])
})

interface Doctor {
  readonly ok: boolean
  readonly settings: readonly { readonly name: string; readonly value: string; readonly from: string }[]
  readonly findings: readonly { readonly check: string; readonly status: string; readonly cure?: string }[]
}

interface Overview {
  readonly changes: number
  readonly conflicts: readonly { readonly pointer: string }[]
}

interface Difference {
  readonly onlyInA: readonly unknown[]
  readonly onlyInB: readonly unknown[]
  readonly state: readonly unknown[]
}

function statusOf({ findings }: Doctor, name: string): string | undefined {
  return findings.find(({ check }) => check === name)?.status
}

function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
}

function unsigned(token: string): string {
  const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
  return `${none}.${token.split('.')[1]}.`
}

async function written(name: string, bytes: Uint8Array): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, bytes)
  return file
}
