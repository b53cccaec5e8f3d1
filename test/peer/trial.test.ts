import { execFile } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Change, ChangeSet, decodeChange, digest, type JsonObject, StateDoc } from '@weft/core'
import {
  InlineTrial,
  type StateTrial,
  TrialLanes,
  type TrialLog,
  type TrialQuestion,
  TrialQueue,
} from '@weft/peer'
import { describe, expect, onTestFinished, test } from 'vitest'
import { forged, forgedState } from '../support/core-forge.ts'
import { sha256 } from '../support/core-property.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Author } from '../support/wire-author.ts'
import { WorkerProcess } from '../support/worker-process.ts'

/** What a replica makes of the log as it lies on the disk. */
async function stateOf(harness: PeerHarness, workflow = 'w') {
  const set = new ChangeSet(sha256)
  for (const { bytes } of await harness.log(workflow)) set.add(decodeChange(bytes, sha256))
  const doc = new StateDoc(set, set.everything())
  const read = { state: doc.read(), refused: doc.refused.size, digest: digest(set, sha256) }
  doc.free()
  return read
}

async function logged(harness: PeerHarness, changes: readonly Change[], workflow = 'w'): Promise<void> {
  const ids = changes.map(({ id }) => id)
  await until(async () => {
    const known = new Set(await harness.ids(workflow))
    return ids.every(id => known.has(id))
  }, 'the log has all of them')
}

describe('[CHG-5] a state change is tried before it is admitted', () => {
  /** Well formed, and by its author; but it writes into a number as if that were an object. Automerge panics of it. */
  function lethal(author: Author): Change {
    const first = author.write({ n: 1, map: {} })
    const second = author.write({ n: 1, map: { x: 1 } })
    const ops = { map: 2, n: 1 }
    const state = forgedState(second.state!, bytes => {
      const at = Buffer.from(bytes).indexOf(Buffer.from([0x7f, 0x00, 0x7f, ops.map]))
      expect(at).toBeGreaterThan(0)
      bytes[at + 3] = ops.n
    })
    return forged(second, { state, deps: Buffer.from(first.id, 'hex') })
  }

  test('what Automerge dies of is refused, with what depends on it; its neighbours are taken', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    const eve = new Author(1)
    const bad = lethal(eve)
    const first = eve.set.change(0)
    const child = forged(eve.edit('m', 2), { deps: Buffer.from(bad.id, 'hex') })
    const ada = new Author(2)
    const good = [ada.edit('a', 1), ada.append(), ada.edit('b', 2)]
    client.push(first, good[0]!, bad, good[1]!, child, good[2]!)
    expect([await client.next('refuse'), await client.next('refuse')]).toMatchObject([
      { code: 'WEFT_CHANGE_STATE' },
      { code: 'WEFT_CHANGE_DEPS_MISSING' },
    ])
    await logged(harness, [first, ...good])
    expect(await harness.ids()).toHaveLength(4)
    expect(await stateOf(harness)).toMatchObject({ state: { a: 1, b: 2, n: 1 }, refused: 0 })
    client.push(eve.set.change(1))
    await logged(harness, [eve.set.change(1)])
  })

  test('one that takes too long is refused, and ends nothing but its own trial', async () => {
    const harness = await PeerHarness.start({ limits: { trial_ms: 1 } })
    const client = await harness.following()
    const ada = new Author(1)
    const eve = new Author(2)
    const first = ada.edit('a', 1)
    client.push(first)
    await logged(harness, [first])
    const long = eve.write({ list: Array.from({ length: 60_000 }, (_, i) => i % 7) })
    const aside = ada.append()
    client.push(long, aside)
    const refusal = await client.next('refuse')
    expect(refusal).toMatchObject({ code: 'WEFT_CHANGE_STATE' })
    expect(refusal.message).toMatch(/longer than 1 ms/)
    await logged(harness, [aside])
    // The thread that is begun anew has its time to begin.
    const next = ada.edit('b', 2)
    client.push(next)
    await logged(harness, [next])
    expect(await stateOf(harness)).toMatchObject({ state: { a: 1, b: 2 }, refused: 0 })
  })

  test.each([
    ['of a thread that is begun anew after each', { trial_memory_bytes_max: 1 }],
    ['for whose documents there is no room', { trial_bytes_max: 1 }],
  ])('a trial builds on what the log holds, %s', async (_, limits) => {
    const harness = await PeerHarness.start({ limits })
    const talks = await Promise.all(
      ['w', 'v'].map(async (workflow, index) => {
        return { workflow, author: new Author(index + 1), client: await harness.following({}, workflow) }
      }),
    )
    for (let round = 0; round < 4; round++) {
      for (const { workflow, author, client } of talks) {
        const changes = [author.edit(`k${round}`, round), author.append(), author.edit('last', round)]
        client.push(...changes)
        await logged(harness, changes, workflow)
      }
    }
    for (const { workflow } of talks) {
      const state = { k0: 0, k1: 1, k2: 2, k3: 3, last: 3 }
      expect(await stateOf(harness, workflow)).toMatchObject({ state, refused: 0 })
    }
  })

  test('a peer that comes back tries nothing of what is in the log, and goes on', async () => {
    const harness = await PeerHarness.start()
    const ada = new Author(1)
    const before = [ada.edit('a', 1), ...ada.appends(3), ada.edit('b', 2), ada.edit('c', 3)]
    const client = await harness.following()
    client.push(...before)
    await logged(harness, before)
    await harness.restart()
    const again = await harness.following()
    again.push(...before)
    const after = [ada.append(), ada.edit('d', 4)]
    again.push(...after)
    await logged(harness, after)
    expect(await harness.ids()).toEqual([...before, ...after].map(({ id }) => id))
    expect((await stateOf(harness)).state).toEqual({ a: 1, b: 2, c: 3, d: 4 })
  })

  test('a drain writes what waits for its trial', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    const ada = new Author(1)
    const changes = [ada.edit('a', 1), ada.append(), ada.edit('b', 2)]
    const first = ada.append()
    client.push(...changes, first)
    await until(async () => (await harness.metric('weft_frames_received_total')) >= 3, 'it was received')
    expect(await harness.peer.drain()).toEqual({ unacked: 0 })
    expect(await harness.ids()).toHaveLength(4)
  })
})

test('[DUR-3] trials end, and nothing is refused, where a write has failed that they build on', async () => {
  const told: unknown[] = []
  const origin = {
    committed: () => {},
    duplicate: () => {},
    refused: (_: string, error: unknown) => void told.push(error),
    failed: (error: { readonly code: string }) => void told.push(error.code),
  }
  const log: TrialLog = {
    ...{ tenant: 't', hash: sha256, holds: () => false, follows: () => true, check: () => {} },
    admit: () => undefined,
    settled: async () => {},
    // It had a change at 1, which is not on the disk.
    read: async () => [],
    turn: async () => {},
  }
  const queue = new TrialQueue(new InlineTrial(sha256, 1_048_576), log)
  queue.noteState(1)
  queue.add([{ change: new Author(1).edit('a', 1), origin, preconditions: undefined }])
  await queue.running
  expect(told).toEqual(['WEFT_STORE_FAILED'])
  expect(queue.waiting).toBe(0)
})

test.each<[string, 'reset' | 'clear']>([
  ['when something in it is erased', 'reset'],
  ['when nobody uses it any more', 'clear'],
])('[ERA-1] what a context was tried on is let go of %s', async (_, end) => {
  const bounds = { answer_ms: 10_000, documents_bytes_max: 1_048_576, memory_bytes_max: 268_435_456 }
  const lanes = new TrialLanes(bounds, { steady: () => 0 })
  onTestFinished(() => lanes.close())
  const asked: TrialQuestion[] = []
  const trial: StateTrial = {
    ask: (tenant, question) => {
      asked.push(question)
      return lanes.ask(tenant, question)
    },
  }
  let count = 0
  const log: TrialLog = {
    ...{ tenant: 't', hash: sha256, holds: () => false, follows: () => true, check: () => {} },
    admit: () => ++count,
    settled: async () => {},
    read: async () => [],
    turn: async () => {},
  }
  const origin = { committed: () => {}, duplicate: () => {}, refused: () => {}, failed: () => {} }
  const queue = new TrialQueue(trial, log)
  queue[end]()
  expect(asked).toEqual([])
  queue.add([{ change: new Author(1).edit('a', 1), origin, preconditions: undefined }])
  await queue.running
  const { doc, serial } = asked.at(-1)!
  queue[end]()
  expect(asked.at(-1)).toMatchObject({ doc, is: 'drop' })
  // It is not there, or it would build on.
  const more = { doc, serial: serial + 1, is: 'build', kept: [], states: [] } as const
  expect(await lanes.ask('t', more)).toEqual({ is: 'missing' })
})

test('a peer that is stopped in the middle of a trial refuses nothing for that', async () => {
  const ANSWER_MS = 1_000
  const asker = new WorkerProcess('./trial-asker.mjs', { ANSWER_MS: `${ANSWER_MS}` })
  expect(await asker.next()).toEqual({ ready: true })
  const tell = async (author: Author, state: JsonObject): Promise<void> => {
    const bytes = author.write(state).state!
    asker.tell({ state: Buffer.from(bytes).toString('base64') })
    expect(await asker.next()).toEqual({ asked: true })
  }
  // The first is given the time that a thread needs to begin.
  await tell(new Author(1), { a: 1 })
  expect(await asker.next()).toEqual({ is: 'tried', reasons: [null] })
  await tell(new Author(2), { list: Array.from({ length: 20_000 }, (_, i) => i % 7) })
  asker.signal('SIGSTOP')
  await setTimeout(1.5 * ANSWER_MS)
  asker.signal('SIGCONT')
  expect(await asker.next()).toEqual({ is: 'tried', reasons: [null] })
})

test('what tries state is closed in full, also while it answers', async () => {
  const script = fileURLToPath(new URL('../support/trial-closer.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, '3'])
  expect(stdout).toBe('closed\n')
})
