import {
  BranchWriter,
  type Change,
  type ChangeId,
  ERASURES_BRANCH,
  erasedLog,
  erasureOf,
  fromHex,
  type Json,
  toHex,
  type Write,
} from '@weft/core'
import { ANY_CONTEXT } from '@weft/replica'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../support/core-property.ts'
import { MemoryStore } from '../support/memory-store.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Author } from '../support/wire-author.ts'
import type { WireClient } from '../support/wire-client.ts'

const ADMIN = { scopes: ['read', 'write', 'admin'] as const }

function eraser(author: Author): BranchWriter {
  return new BranchWriter(author.set, author.host, ERASURES_BRANCH, 'admin')
}

function packed(...ids: ChangeId[]): Uint8Array {
  return fromHex([...ids].sort().join(''))
}

/** What a replica would write to erase these. */
function erasing(author: Author, ...changes: Change[]): Write {
  const nodes = changes.map(({ id }) => author.set.dag.node(id))
  return { ...erasureOf(author.set, nodes, undefined, sha256), at: [] }
}

async function scene() {
  const harness = await PeerHarness.start()
  const client = await harness.following({ scopes: [...ADMIN.scopes] })
  const author = new Author(1)
  const [said, wrote, rest] = [author.append(), author.edit('key', 1), author.edit('key', 2)]
  client.push(said, wrote, rest)
  // States are tried first, so that they may come in a frame of their own.
  while ((await harness.ids()).length < 3) await client.next('log')
  return { harness, client, author, said, wrote, rest }
}

/** The code with which a change is refused. */
async function refusal(client: WireClient, change: Change): Promise<string> {
  client.push(change)
  return (await client.next('refuse')).code
}

describe('[ERA-1] [CHG-5] a change that erases is refused', () => {
  test.each<[string, (erases: Uint8Array) => { branch?: string; write: Write }]>([
    ['on another branch', erases => ({ branch: 'main', write: { notes: { erases }, at: [] } })],
    [
      'with an entry of its own',
      erases => ({ write: { entries: [{ kind: 'message', value: 'x' }], notes: { erases }, at: [] } }),
    ],
    ['with a write of its own', erases => ({ write: { writes: ['ext:doc/1'], notes: { erases }, at: [] } })],
    [
      'with what it was derived from',
      erases => ({ write: { reads: [{ ref: 'ext:doc/1' }], notes: { erases }, at: [] } }),
    ],
    ['behind a change that erases nothing', erases => ({ write: { notes: { erases }, at: [0] } })],
  ])('%s', async (_, made) => {
    const { harness, client, author, said } = await scene()
    const { branch = ERASURES_BRANCH, write } = made(packed(said.id))
    const writer = new BranchWriter(author.set, author.host, branch, 'admin')
    expect(await refusal(client, writer.write(write)!)).toBe('WEFT_ERASE_REFUSED')
    expect((await harness.log())[0]!.bytes).toEqual(said.bytes)
  })

  test('when it names nothing, so that nobody can put what erases nothing into the past of what does', async () => {
    const { harness, author, said } = await scene()
    const writer = await harness.following()
    const entries = [{ kind: 'message', value: 'x' }]
    const [before, ...loose] = [[], [0]].map(
      at => new BranchWriter(author.set, author.host, ERASURES_BRANCH, 'mallory').write({ entries, at })!,
    )
    for (const change of [before!, ...loose]) expect(await refusal(writer, change)).toBe('WEFT_ERASE_REFUSED')
    const forks = { notes: { forks: [ERASURES_BRANCH] }, at: [0] }
    const forking = new BranchWriter(author.set, author.host, 'main', 'mallory').write(forks)!
    expect(await refusal(writer, forking)).toBe('WEFT_ID_INVALID')

    const admin = await harness.replica({ token: await harness.token({ scopes: [...ADMIN.scopes] }) })
    const context = await admin.open(ANY_CONTEXT, { workflow: 'w', agent: 'admin' })
    await context.erase([said.id])
    expect(await harness.ids()).toHaveLength(4)
  })

  test('when what it brings to stand in for a state is not that state without its values', async () => {
    const { harness, client, author, said, wrote, rest } = await scene()
    const right = erasing(author, wrote)
    const { standIn } = right.entries![0]!.value as { standIn: string }
    const other = erasing(author, rest).entries![0]!.value as { standIn: string }
    const values: Json[] = [
      { change: wrote.id, standIn: other.standIn },
      // All of the state, values too.
      { change: wrote.id, standIn: standIn.slice(0, 64) + toHex(wrote.state!) },
      { change: said.id, standIn },
      'nothing',
    ]
    const kind = 'weft.stand-in'
    for (const value of values) {
      const forged = eraser(author).write({ ...right, entries: [{ kind, value }] })!
      expect(await refusal(client, forged)).toBe('WEFT_ERASE_REFUSED')
    }
    expect((await harness.log())[1]!.bytes).toEqual(wrote.bytes)
    client.push(eraser(author).write(right)!)
    const isWhole = async () => Buffer.from(wrote.bytes).equals((await harness.log())[1]!.bytes)
    await until(async () => !(await isWhole()), 'it is erased')
  })

  test('from whoever may only write, but where it takes nothing from the log', async () => {
    const { harness, author, said } = await scene()
    const erased = eraser(author).write(erasing(author, said))!
    const writing = await harness.following()
    expect(await refusal(writing, erased)).toBe('WEFT_SCOPE')
    const elsewhere = await harness.following({}, 'other')
    elsewhere.push(erased)
    await elsewhere.next('log')
    elsewhere.push(said)
    await elsewhere.next('log')
    const [, second] = await harness.log('other')
    expect([second!.id, second!.bytes.length < said.bytes.length]).toEqual([said.id, true])
  })
})

test('[ERA-1] an older log that holds something else on the branch of erasures can be erased in', async () => {
  const { harness, client, author, said, wrote } = await scene()
  const admin = await harness.token({ scopes: [...ADMIN.scopes] })
  const open = async () =>
    (await harness.replica({ token: admin })).open(ANY_CONTEXT, { workflow: 'w', agent: 'admin' })
  const context = await open()
  const { change: first } = await context.erase([said.id])
  for (const change of context.changes()) author.set.add(change, true)
  client.socket.terminate()
  await harness.stop()
  // No door lets these in any more, so they are laid down behind it.
  const entries = [{ kind: 'message', value: 'x' }]
  const [loose, behind] = [[], [author.set.dag.node(first!)]].map(
    at => new BranchWriter(author.set, author.host, ERASURES_BRANCH, 'mallory').write({ entries, at })!,
  )
  const records = [loose!, behind!].map(({ id, bytes }, at) => ({ position: 5 + at, id, bytes }))
  const heads = author.set.ids(author.set.dag.heads)
  await new MemoryStore(harness.disk)
    .tenant('acme')
    .append({ records, head: { workflow: 'w', count: 6, heads } })
  await harness.restart()

  const again = await open()
  const { change: second } = await again.erase([wrote.id])
  const erasing = again.changes().find(({ id }) => id === second)!
  expect(erasing.header.deps).toEqual([first])
  expect(again.at([wrote.id]).state).toEqual({ key: null })
  expect((await open()).digest()).toBe(again.digest())
})

test('[ERA-1] [CHG-5] what stands in for a state is that of the change that erased it, and nobody else brings one', async () => {
  const { harness, author, wrote, said } = await scene()
  const whole = [...author.set.changes()]
  const without = eraser(author).write({ notes: { erases: packed(wrote.id) }, at: [] })!
  eraser(author).write(erasing(author, wrote))
  const bare = author.set.changes().find(({ id }) => id === wrote.id)!
  expect(bare.standIn).not.toBeNull()
  const client = await harness.following({}, 'other')
  client.push(without, said)
  await client.next('log')
  expect(await refusal(client, bare)).toBe('WEFT_CHANGE_MALFORMED')
  // All of it is taken, as nothing that was brought erases its state.
  client.push(whole[1]!)
  await client.next('log')
  expect((await harness.log('other')).at(-1)!.bytes).toEqual(wrote.bytes)
})

test('[ERA-1] what is offered behind a change that erases waits for it, in the order in which it came', async () => {
  const { harness } = await scene()
  const author = new Author(2)
  const changes = author.appends(5)
  const nodes = changes.map(({ id }) => author.set.dag.node(id))
  const first = eraser(author).write({
    ...erasureOf(author.set, nodes.slice(0, 2), undefined, sha256),
    at: [],
  })!
  const head = author.set.dag.node(first.id)
  const second = eraser(author).write({
    ...erasureOf(author.set, nodes.slice(2), undefined, sha256),
    at: [head],
  })!
  const bare = author.set.changes().filter(({ complete }) => !complete)
  expect(bare).toHaveLength(5)
  const client = await harness.following({}, 'filled')
  for (const change of [first, second, ...bare, author.append()]) client.push(change)
  await client.next('log')
  while ((await harness.log('filled')).length < 8) await new Promise(resolve => setTimeout(resolve, 5))
  expect(client.inbox.filter(({ name }) => name === 'refuse')).toEqual([])
})

test('[ERA-1] a target that is not written yet is erased with the batch that it comes in', async () => {
  const { harness, client, author } = await scene()
  const release = harness.gate.hold()
  const secret = author.append(500)
  client.push(secret)
  client.push(eraser(author).write(erasing(author, secret))!)
  release()
  while ((await harness.log()).length < 5) await new Promise(resolve => setTimeout(resolve, 5))
  const record = (await harness.log()).find(({ id }) => id === secret.id)!
  expect(record.bytes.length).toBeLessThan(400)
  const late = await harness.following()
  const { items } = await late.next('log')
  expect(items.some(item => Buffer.from(item).includes('.'.repeat(100)))).toBe(false)
})

test('[ERA-1] of what was read of a log before, nothing is sent that has been erased since', async () => {
  const { harness, author } = await scene()
  const secret = author.append(500)
  const writer = await harness.following()
  writer.push(secret)
  while ((await harness.log()).length < 4) await writer.next('log')
  await harness.restart()
  const admin = await harness.following({ scopes: [...ADMIN.scopes] })
  await admin.next('log')
  expect(await harness.metric('weft_read_cache_bytes')).toBeGreaterThan(500)
  admin.push(eraser(author).write(erasing(author, secret))!)
  while ((await harness.log()).length < 5) await admin.next('log')
  const late = await harness.following()
  const { items } = await late.next('log')
  expect(items.length).toBeGreaterThan(3)
  expect(items.some(item => Buffer.from(item).includes('.'.repeat(100)))).toBe(false)
})

test('[ERA-1] [DUR-4] a log in which a change has lost its content, and that nothing erases, is quarantined', async () => {
  const { harness, client, author, said } = await scene()
  const erased = eraser(author).write(erasing(author, said))!
  client.socket.terminate()
  await harness.stop()
  const log = await harness.log()
  const [bare] = erasedLog([...log, { position: 4, id: erased.id, bytes: erased.bytes }], sha256).records
  harness.disk.tenants.get('acme')!.get('w')!.records[0] = bare
  await harness.restart()
  const replica = await harness.replica()
  await expect(replica.open(ANY_CONTEXT, { workflow: 'w', agent: 'reader' })).rejects.toMatchObject({
    code: 'WEFT_STORE_CORRUPT',
    message: expect.stringContaining('has lost its content'),
  })
})
