import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signToken } from '@weft/peer'
import { connect } from '@weft/replica'
import { expect, onTestFinished, test } from 'vitest'
import { PeerHarness, SECRET } from '../support/peer-harness.ts'
import { Notes } from '../support/notes.mjs'
import { masked } from '../support/own-memory.mjs'
import { WorkerProcess } from '../support/worker-process.ts'

const STEM = 'Quorvexilmundra'
const ADMIN = { scopes: ['read' as const, 'write' as const, 'admin' as const] }

/** A process that looks for secrets in its own memory. */
class Searcher {
  readonly #process: WorkerProcess

  private constructor(script: string, env: Readonly<Record<string, string>>) {
    this.#process = new WorkerProcess(script, { STEM: masked(STEM), ...env })
  }

  static async start(script: string, env: Readonly<Record<string, string>>): Promise<Searcher> {
    const searcher = new Searcher(script, env)
    await searcher.#answer()
    return searcher
  }

  ask(name: string, told: object = {}): Promise<unknown> {
    this.#process.tell({ do: name, ...told })
    return this.#answer()
  }

  async #answer(): Promise<unknown> {
    const { result, error } = (await this.#process.next())!
    if (error !== undefined) throw new Error(error as string)
    return result
  }
}

const NOTHING = { strings: '', buffers: '', documents: '' }

async function open(url: string, token: string) {
  const replica = await connect({ url, token })
  onTestFinished(() => replica.close({ discard: true }))
  return replica.open(Notes, { workflow: 'w', agent: 'admin' })
}

function seeing(value: string) {
  return (state: Record<string, string>) => {
    state.seen = value
  }
}

function secret(letter: string): string {
  return `${STEM}${letter}~`
}

test('[ERA-1] nothing that a replica can still reach holds what was erased, whatever has read it there', async () => {
  const harness = await PeerHarness.start()
  const admin = await open(harness.url, await harness.token(ADMIN))
  const said = admin.append('message', { text: `theirs: ${secret('a')}` })
  const side = admin.fork('side')
  const worker = await Searcher.start('memory-replica.mjs', {
    URL: harness.url,
    TOKEN: await harness.token(),
  })
  const wrote = [admin.change(seeing(secret('b'))), side.change(seeing(secret('c')))]
  await admin.flush()
  await worker.ask('until', { position: admin.position })
  const own = (await worker.ask('write')) as { targets: string[]; position: number }
  await admin.until(() => admin.position >= own.position)
  await worker.ask('read')
  expect(await worker.ask('found')).toEqual({
    strings: expect.stringMatching('^abcd'),
    buffers: 'abcdefgh',
    documents: expect.stringMatching('^bc'),
  })

  for (const handle of [admin, side]) handle.change(seeing('nothing'))
  await admin.flush()
  const theirs = [said, ...wrote].map(({ change }) => change!)
  const { position } = await admin.erase([...theirs, ...own.targets])
  await worker.ask('until', { position })
  expect(await worker.ask('found')).toEqual(NOTHING)
})

test('[ERA-1] nor does anything that a gateway can, or a peer in its own thread, before anybody asks again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-memory-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const peer = await Searcher.start('memory-peer.mjs', { DATA: join(folder, 'data'), SECRET })
  const url = (await peer.ask('url')) as string
  const token = await signToken(SECRET, { tenant: 'acme', lifetime: 600, ...ADMIN })
  const gateway = await Searcher.start('memory-gateway.mjs', { URL: url })
  const admin = await open(url, token)
  const erased = [
    admin.append('message', { text: secret('a') }),
    admin.change(seeing(secret('b'))),
    admin.append('message', { text: secret('c') }),
  ]
  await admin.flush()
  const base = `${(await gateway.ask('url')) as string}/v1/contexts/w`
  const ask = async (path: string): Promise<number> => {
    const answer = await fetch(base + path, { headers: { authorization: `Bearer ${token}` } })
    await answer.text()
    return answer.status
  }
  for (const path of ['/state', '/state?at=2', '/log', '/audit'])
    expect([path, await ask(path)]).toEqual([path, 200])
  expect(await peer.ask('foundInBuffers')).toBe('abc')
  expect(await gateway.ask('found')).toEqual({ strings: 'abc', buffers: 'abc', documents: 'b' })

  admin.change(seeing('nothing'))
  admin.fork('side', { at: [admin.changes()[0]!.id] })
  await admin.flush()
  await admin.erase(erased.map(({ change }) => change!))
  expect(await peer.ask('found')).toEqual(NOTHING)
  // By then it knows of the erasure, and nobody has used the branch that was asked for before.
  expect(await ask(`/state?branch=side&after=${await admin.token()}`)).toBe(200)
  expect(await gateway.ask('found')).toEqual(NOTHING)
})
