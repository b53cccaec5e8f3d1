import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Admission, BranchWriter, type Change, ChangeSet, effectRef, type Json } from '@weft/core'
import { startPeer } from '@weft/peer'
import { openLevelStore } from '@weft/store-level'
import fc from 'fast-check'
import { Level } from 'level'
import { describe, expect, onTestFinished, test } from 'vitest'
import { codeOf } from '../support/core-forge.ts'
import { holds, seededHost, sha256 } from '../support/core-property.ts'
import { GatewayHarness } from '../support/gateway-harness.ts'
import { MemoryDisk, MemoryStore } from '../support/memory-store.ts'
import { PeerHarness, SECRET } from '../support/peer-harness.ts'
import { Research } from '../support/replica-contexts.ts'

/** Short ones of what ids are made of: all pairs of them are as near to each other as two can be. */
const NEAR = ['a', 'b', 'a.b', 'a-b', 'a~', '~a', '.', '..', 'h', 'l', '0', 'a.', '.b', 'A', 'a_b', '-']

function written(seed: number, write: { readonly writes?: string[]; readonly text?: string }): Change {
  const writer = new BranchWriter(new ChangeSet(sha256), seededHost(seed), 'main', 'agent')
  const entries = [{ kind: 'note', value: (write.text ?? '') as Json }]
  return writer.write({ entries, ...(write.writes && { writes: write.writes }) })!
}

describe('[TEN-2] [TEN-3] no two contexts share a key', () => {
  test('of the store: every pair of ids that are near to each other keeps what it holds, and nothing else', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'weft-keys-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const store = await openLevelStore(directory)
    const pairs = NEAR.flatMap(tenant => NEAR.map(workflow => ({ tenant, workflow })))
    const change = ({ tenant, workflow }: (typeof pairs)[number], position: number) =>
      written(pairs.findIndex(pair => pair.tenant === tenant && pair.workflow === workflow) * 2 + position, {
        text: `${tenant} ${workflow} ${position}`,
      })
    await Promise.all(
      pairs.map(async pair => {
        const records = [1, 2].map(position => {
          const { id, bytes } = change(pair, position)
          return { position, id, bytes }
        })
        const heads = records.map(({ id }) => id)
        const { workflow } = pair
        await store.tenant(pair.tenant).append({ records, head: { workflow, count: 2, heads } })
      }),
    )
    for (const pair of pairs) {
      const kept = await store.tenant(pair.tenant).read(pair.workflow, 1, 1_000_000)
      expect(kept.map(({ id }) => id)).toEqual([1, 2].map(position => change(pair, position).id))
    }
    await store.tenant('a').drop()
    expect(await store.tenant('a').head('b')).toBeUndefined()
    expect((await store.tenant('a.b').head('b'))?.count).toBe(2)
    await store.close()
    const level = new Level<string, Uint8Array>(directory, { valueEncoding: 'view' })
    const keys = (await level.keys().all()).filter(key => !key.startsWith('!'))
    await level.close()
    expect(keys.length).toBe((NEAR.length - 1) * NEAR.length * 3)
  })

  test.each([
    'a:b',
    'a/b',
    'a\0b',
    'a\nb',
    'a b',
    'a%3ab',
    '',
    'a'.repeat(129),
  ])('of the doors: %j is no tenant, workflow, agent, branch, subscription or webhook', async id => {
    const peer = await PeerHarness.start()
    const replica = await peer.replica()
    const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
    await context.append('message', { text: 'begin' }).committed
    const before = await peer.ids()
    const code = (work: Promise<unknown>) =>
      work.then(
        () => 'let in',
        error => error.code,
      )
    expect(await code(peer.token({ tenant: id }))).toBe('WEFT_ID_INVALID')
    expect(await code(replica.open(Research, { workflow: id, agent: 'a' }))).toBe('WEFT_ID_INVALID')
    expect(await code(replica.open(Research, { workflow: 'w', agent: id }))).toBe('WEFT_ID_INVALID')
    expect(codeOf(() => context.fork(id))).toBe('WEFT_ID_INVALID')
    expect(await code(context.subscribe(id))).toBe('WEFT_ID_INVALID')
    expect(await code(replica.overlays.publish(id, {}))).toBe('WEFT_ID_INVALID')
    const webhooks = [{ name: id, tenant: 'a', url: 'http://127.0.0.1:9', secret: SECRET }]
    const key = { kind: 'secret', secret: SECRET } as const
    const openStore = async () => new MemoryStore(new MemoryDisk())
    expect(await code(startPeer({ openStore, key, port: 0, webhooks }))).toBe('WEFT_USAGE')
    expect(await peer.ids()).toEqual(before)
  })

  test('of the gateway: handles whose parts join to one text are not taken for each other', async () => {
    const api = await GatewayHarness.start()
    const schema = { name: 'research', version: 1 }
    const asked = [
      { workflow: 'a', agent: 'b.c' },
      { workflow: 'a.b', agent: 'c' },
      { workflow: 'a.b.c', agent: 'a' },
    ]
    for (const { workflow, agent } of asked) {
      const entries = [{ kind: 'message', value: { text: `${workflow} by ${agent}` } }]
      const answer = await api.post(`/v1/contexts/${workflow}/changes`, { agent, schema, entries })
      expect(answer.status).toBe(201)
    }
    for (const { workflow, agent } of asked) {
      const { body } = await api.get(`/v1/contexts/${workflow}/log`)
      expect(JSON.stringify(body.entries)).toContain(`"${workflow} by ${agent}"`)
      expect(body.entries).toHaveLength(1)
    }
  })
})

describe('[TEN-3] what is no id, and may hold any character', () => {
  test('idempotency keys of two effects are two, whatever their workflows and keys join to', async () => {
    const peer = await PeerHarness.start()
    const keys: string[] = []
    const effects = ['c', 'b:c', ':c', 'c:', 'a:b:c', 'w', 'c%3A']
    for (const tenant of ['a', 'a.b']) {
      const replica = await peer.replica({ token: await peer.token({ tenant }) })
      for (const workflow of ['b', 'b.c']) {
        const context = await replica.open(Research, { workflow, agent: 'a' })
        for (const key of effects)
          await context.step('s', step => step.effect(key, call => void keys.push(call.idempotencyKey)))
      }
    }
    expect(new Set(keys).size).toBe(2 * 2 * effects.length)
  })

  test('an effect key and the ref that stands for it are as many', () => {
    const text = fc.string({ unit: fc.constantFrom(...'ab:%/3A\n\0@'), maxLength: 6 })
    holds(fc.tuple(text, text), ([a, b]) => {
      expect(effectRef(a) === effectRef(b)).toBe(a === b)
      expect(effectRef(a)).toMatch(/^effect:[^:@]*$/)
    })
  })

  /** What a change wrote decides about those that must not have moved: two lists of refs are never taken for one. */
  test.each([
    [['ext:a\next:b'], ['ext:a', 'ext:b']],
    [
      ['ext:a', 'ext:b\next:c'],
      ['ext:a\next:b', 'ext:c'],
    ],
    [['ext:a","ext:b'], ['ext:a', 'ext:b']],
  ])('[DUR-6] the peer does not take the refs %j for %j', (joined, apart) => {
    const admission = new Admission(sha256)
    admission.admit(written(1, { writes: joined }), 0)
    admission.admit(written(2, { writes: apart }), 0)
    expect([0, 1].map(node => admission.writesAt(node))).toEqual([joined, apart])
    const late = written(3, {})
    const unmoved = (ref: string) => codeOf(() => admission.admit(late, 0, { heads: [], unmoved: [ref] }))
    for (const ref of [...joined, ...apart]) expect(unmoved(ref)).toBe('WEFT_PRECONDITION')
  })
})
