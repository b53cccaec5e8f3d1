import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliPeer } from '../support/cli-peer.ts'
import { weft, weftHere, weftJson } from '../support/cli-run.ts'

let peer: CliPeer
let env: Record<string, string>
let folder: string
let digest: string

beforeAll(async () => {
  peer = await CliPeer.start()
  folder = peer.folder
  env = await peer.env()
  digest = await peer.seed('wf-1')
})

afterAll(() => peer.stop())

describe('an export', () => {
  test('[CHG-4] goes to another tenant and comes back with an equal digest', async () => {
    const [first, second] = [join(folder, 'first.jsonl'), join(folder, 'second.jsonl')]
    const other = await peer.env({ tenant: 'other' })
    const made = await weftJson<{ digest: string; count: number }>(['export', 'wf-1', '-o', first], { env })
    expect(made).toMatchObject({ digest, count: 12 })
    const brought = await weftJson<Imported>(['import', first, '--workflow', 'copy'], { env: other })
    expect(brought).toEqual({ workflow: 'copy', changes: 12, new: 12, digest, same: true })
    expect(await peer.digest('copy', { tenant: 'other' })).toBe(digest)
    const again = await weftJson<Imported>(['import', first, '--workflow', 'copy'], { env: other })
    expect(again).toMatchObject({ new: 0, same: true })
    await weftHere(['export', 'copy', '-o', second], { env: other })
    const [fromPeer, fromFile] = await Promise.all([
      weftHere(['graph', 'copy'], { env: other }),
      weftHere(['graph', 'copy', '--file', second]),
    ])
    expect(fromFile.stdout).toBe(fromPeer.stdout)
  })

  test('[DUR-4] shows a flipped bit wherever it is, and then nothing of it is imported', async () => {
    const { stdout } = await weft(['export', 'wf-1'], { env })
    const whole = Buffer.from(stdout)
    const trailer = whole.lastIndexOf('{"weft":"end"')
    const spots = [whole.indexOf('"digest"') + 12, whole.length >> 1, (trailer * 3) >> 2, trailer + 30]
    const files = await Promise.all([
      ...spots.map(spot => written(`flipped-${spot}`, flipped(whole, spot))),
      written('cut', whole.subarray(0, trailer)),
      written('shorter', Buffer.from(stdout.split('\n').toSpliced(5, 1).join('\n'))),
    ])
    const results = await Promise.all(files.map(file => weftHere(['verify', '--file', file, '--json'])))
    for (const result of results) {
      expect(result.code, result.stderr).toBe(1)
      expect(JSON.parse(result.stdout)).toMatchObject({ ok: false })
    }
    const sound = await weftHere(['verify', '--file', await written('sound', whole)])
    expect([sound.code, sound.stdout]).toEqual([0, expect.stringContaining('nothing is damaged')])
    const refused = await weftHere(['import', files[1]!, '--workflow', 'none'], { env })
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/^error WEFT_FILE_INVALID: .*line \d+/),
    ])
    expect((await weftJson<{ changes: number }>(['show', 'none'], { env })).changes).toBe(0)
  })

  test('is not imported with a token that only reads', async () => {
    const file = join(folder, 'reader.jsonl')
    await weftHere(['export', 'wf-1', '-o', file], { env })
    const result = await weftHere(['import', file, '--workflow', 'other'], {
      env: await peer.env({ scopes: ['read'] }),
    })
    expect([result.code, result.stderr]).toEqual([3, expect.stringContaining('error WEFT_SCOPE')])
  })

  test('that is none, or is not there, is refused', async () => {
    const results = await Promise.all([
      weftHere(['import', 'nowhere.jsonl'], { env, cwd: folder }),
      weftHere(['import', await written('text', Buffer.from('hello\n'))], { env }),
      weftHere(['verify', '--file', await written('future', Buffer.from('{"weft":"export","version":9}\n'))]),
    ])
    expect(results.map(({ code, stderr }) => [code, stderr.split('\n')[0]])).toEqual([
      [1, expect.stringMatching(/WEFT_FILE_INVALID: .*no such file/)],
      [1, expect.stringMatching(/WEFT_FILE_INVALID: .*not the header of an export/)],
      [1, expect.stringMatching(/WEFT_FILE_INVALID: .*version 9/)],
    ])
  })
})

interface Imported {
  readonly new: number
  readonly digest: string
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at]! ^= 1
  return copy
}

async function written(name: string, bytes: Uint8Array): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, bytes)
  return file
}
