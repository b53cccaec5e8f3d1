import { writeFile } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliPeer } from '../support/cli-peer.ts'
import { Running, WEFT, weftHere, weftJson } from '../support/cli-run.ts'

let peer: CliPeer
let folder: string
let env: Record<string, string>

const at = (name: string): string => join(folder, name)

beforeAll(async () => {
  peer = await CliPeer.start()
  env = await peer.env({ scopes: ['read', 'write', 'admin'] })
  folder = peer.folder
  await writeFile(at('rules.json'), '{"prompt":"be brief","flags":{"tools":true}}')
  await writeFile(at('rules.md'), 'Be kind.\n')
  await writeFile(at('broken.json'), '{')
})

afterAll(() => peer.stop())

describe('[OVL-1] weft overlay', () => {
  test('publishes JSON, a text, and stdin; lists what is in force and what ever was', async () => {
    const first = await weftHere(
      ['overlay', 'publish', 'house', at('rules.json'), '--reason', 'to begin with', '--enforce', 'advisory'],
      { env },
    )
    expect(first).toEqual({ code: 0, stdout: 'house@1 is in force\n', stderr: '' })
    const second = ['overlay', 'publish', 'house', at('rules.md'), '--after', '1']
    expect(await weftJson(second, { env })).toEqual({ name: 'house', version: 2, position: 2 })
    const child = spawn(process.execPath, [WEFT, 'overlay', 'publish', 'tone'], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin.end('"soft"')
    expect(await new Running([], {}, child).end()).toMatchObject({ code: 0, stdout: 'tone@1 is in force\n' })

    const list = await weftHere(['overlay', 'list', '--json'], { env })
    expect(
      list.stdout
        .trim()
        .split('\n')
        .map(line => JSON.parse(line)),
    ).toMatchObject([
      { name: 'house', version: 2, value: { prompt: 'Be kind.\n' }, enforce: 'commit', agent: 'weft-cli' },
      { name: 'tone', version: 1, value: 'soft' },
    ])
    const history = await weftHere(['overlay', 'history', 'house'], { env })
    expect(history.stdout).toMatch(
      /^house@1 {2}advisory {2}\S+ {2}weft-cli {2}\{.*be brief.*\} {2}\(to begin with\)\nhouse@2 /,
    )
  })

  test('says that there is nothing where nothing was published, and prints nothing', async () => {
    const other = await peer.env({ tenant: 'nobody' })
    const list = await weftHere(['overlay', 'list'], { env: other })
    expect(list).toMatchObject({ code: 0, stdout: '' })
    expect(list.stderr).toContain('no overlay was ever published')
    const history = await weftHere(['overlay', 'history', 'house'], { env: other })
    expect(history).toMatchObject({ code: 0, stdout: '' })
    expect(history.stderr).toContain('no such overlay was ever published')
  })

  test('watches until it is interrupted', async () => {
    const running = new Running(['overlay', 'watch', '--after', '0', '--json'], { env })
    expect(JSON.parse(await running.line())).toMatchObject({ name: 'house', version: 1 })
    expect(JSON.parse(await running.line())).toMatchObject({ name: 'house', version: 2 })
    expect(JSON.parse(await running.line())).toMatchObject({ name: 'tone', version: 1 })
    await weftHere(['overlay', 'publish', 'house', at('rules.md')], { env })
    expect(JSON.parse(await running.line())).toMatchObject({ name: 'house', version: 3 })
    expect((await running.end('SIGINT')).code).toBe(0)
  })

  test('is in the log of the engine’s own workflow, to read, export and bring elsewhere', async () => {
    expect((await weftHere(['log', '@overlays'], { env })).stdout).toMatch(/weft\.overlay/)
    expect((await weftHere(['export', '@overlays', '-o', at('overlays.jsonl')], { env })).code).toBe(0)
    const other = await peer.env({ tenant: 'other', scopes: ['read', 'write', 'admin'] })
    expect(await weftHere(['import', at('overlays.jsonl')], { env: other })).toMatchObject({ code: 0 })
    expect((await weftHere(['overlay', 'list'], { env: other })).stdout).toMatch(/^house@\d+ /)
  })

  test.each<[string, string[], number, string]>([
    ['no name', ['publish'], 2, 'WEFT_USAGE'],
    ['nothing to do', [], 2, 'WEFT_USAGE'],
    ['what is not JSON', ['publish', 'house', 'broken.json'], 1, 'WEFT_FILE_INVALID'],
    ['what is not there', ['publish', 'house', 'none.json'], 1, 'WEFT_FILE_INVALID'],
    [
      'a version that is not in force',
      ['publish', 'house', 'rules.md', '--after', '77'],
      1,
      'WEFT_OVERLAY_VERSION',
    ],
    ['a version that is none', ['publish', 'house', 'rules.md', '--after', 'x'], 2, 'WEFT_USAGE'],
    ['an enforcement that is none', ['publish', 'house', 'rules.md', '--enforce', 'x'], 2, 'WEFT_USAGE'],
    ['a name that is none', ['publish', 'a/b', 'rules.md'], 2, 'WEFT_ID_INVALID'],
  ])('refuses %s', async (_, args, code, error) => {
    const inFolder = args.map(arg => (/\.(json|md)$/.test(arg) ? at(arg) : arg))
    const refused = await weftHere(['overlay', ...inFolder], { env })
    expect(refused).toMatchObject({ code, stdout: '' })
    expect(refused.stderr).toContain(`error ${error}:`)
  })

  test('[OVL-3] refuses to publish without the scope admin', async () => {
    const worker = await peer.env()
    const refused = await weftHere(['overlay', 'publish', 'house', at('rules.md')], { env: worker })
    expect(refused.code).toBe(3)
    expect(refused.stderr).toContain('error WEFT_SCOPE:')
  })
})
