import {
  BranchWriter,
  type BranchName,
  type Change,
  ChangeSet,
  decodeChange,
  LIMITS,
  type LogRecord,
  MAIN_BRANCH,
  WAKES_BRANCH,
} from '@weft/core'
import { ANY_CONTEXT } from '@weft/replica'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../support/core-property.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'
import { Author } from '../support/wire-author.ts'
import type { WireClient } from '../support/wire-client.ts'

const FRAME = 1_000
/** Thousands of changes take a busy machine longer than one event should. */
const PATIENCE_MS = 60_000

/** Changes that know of nothing but the first of an author, each by an actor of its own. */
function strangers(author: Author, count: number, branch: BranchName, forks?: BranchName[]): Change[] {
  const root = [author.set.dag.node(author.set.change(0).id)]
  return Array.from({ length: count }, (_, index) => {
    const writer = new BranchWriter(author.set, author.host, branch, 'stranger', root)
    const entries = [{ kind: 'note', value: index }]
    return writer.write({ entries, ...(forks && { notes: { forks } }) })!
  })
}

/** Resolves when all of them are in the log. */
async function pushAll(harness: PeerHarness, client: WireClient, changes: readonly Change[]): Promise<void> {
  const count = async () => (await harness.head())?.count ?? 0
  const enough = (await count()) + changes.length
  for (let at = 0; at < changes.length; at += FRAME) client.push(...changes.slice(at, at + FRAME))
  const last = changes.at(-1)!.id
  // To read the log is to verify all of it, in the thread that writes it: so not before there is that much.
  const isThere = async () => (await count()) >= enough && (await harness.ids()).includes(last)
  await until(isThere, 'all is in the log', PATIENCE_MS)
}

/** The most heads that a branch has had, as the log was written. */
function mostHeads(log: readonly LogRecord[], branch: BranchName): number {
  const set = new ChangeSet(sha256)
  let most = 0
  for (const { bytes } of log) {
    set.add(decodeChange(bytes.slice(), sha256))
    most = Math.max(most, set.branches.heads(branch).length)
  }
  return most
}

describe('[CHG-2] a branch has no more heads than a writer can name', () => {
  test('however many changes know nothing of one another, and whoever has them all can write on', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    const author = new Author(1)
    const root = author.append()
    await pushAll(harness, client, [root, ...strangers(author, LIMITS.deps_max + 100, MAIN_BRANCH)])

    const log = await harness.log()
    expect(mostHeads(log, MAIN_BRANCH)).toBe(LIMITS.branch_heads_max + 1)
    const context = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'writer' })
    expect(context.heads.length).toBeGreaterThan(1)
    await context.append('message', { text: 'I have seen it all' }).committed
    expect(context.heads).toHaveLength(1)
    expect(context.entries()).toHaveLength(LIMITS.deps_max + 102)
  })

  test('nor has the branch on which events are acknowledged', async () => {
    const harness = await PeerHarness.start({ limits: { branch_heads_max: 20 } })
    const client = await harness.following()
    const author = new Author(1)
    await pushAll(harness, client, [author.append(), ...strangers(author, 100, WAKES_BRANCH)])
    expect(mostHeads(await harness.log(), WAKES_BRANCH)).toBe(21)
  })

  test('one that has begun that often begins no more, for nobody joins what is on other branches', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    const author = new Author(1)
    const root = author.append()
    const forking = strangers(author, LIMITS.branch_heads_max + 1, 'side', ['one', 'two', 'one'])
    await pushAll(harness, client, [root, ...forking.slice(0, -1)])
    client.push(forking.at(-1)!)
    expect(await client.next('refuse')).toMatchObject({ code: 'WEFT_BRANCH_EXISTS' })
    const log = await harness.log()
    for (const branch of ['one', 'two']) expect(mostHeads(log, branch)).toBe(LIMITS.branch_heads_max)
  })

  test('the change that joins them says so, holds nothing, and is served like any other', async () => {
    const harness = await PeerHarness.start({ limits: { branch_heads_max: 3 } })
    const client = await harness.following()
    const author = new Author(1)
    const root = author.append()
    const loose = strangers(author, 4, MAIN_BRANCH)
    await pushAll(harness, client, [root, ...loose])
    const log = await harness.log()
    expect(log).toHaveLength(6)
    const join = decodeChange(log[5]!.bytes.slice(), sha256)
    expect(join.header).toMatchObject({
      agent: 'weft',
      branch: MAIN_BRANCH,
      deps: loose.map(({ id }) => id).toSorted(),
      kinds: [],
      writes: [],
      reads: [],
      notes: { reason: 'joins 4 heads' },
    })
    expect(join.state).toBeNull()
    expect((await harness.head())!.heads).toEqual([join.id])
    const context = await (await harness.replica()).open(ANY_CONTEXT, { workflow: 'w', agent: 'reader' })
    expect(context.heads).toEqual([join.id])
  })

  test('a log from before there was such a bound is joined by and by', async () => {
    const crowded = await PeerHarness.start({ limits: { branch_heads_max: 5_000 } })
    const author = new Author(1)
    const client = await crowded.following()
    await pushAll(crowded, client, [
      author.append(),
      ...strangers(author, LIMITS.deps_max + 500, MAIN_BRANCH),
    ])
    await crowded.stop()

    const harness = await PeerHarness.start({}, crowded.disk)
    const next = await harness.following()
    await pushAll(harness, next, strangers(author, 2, MAIN_BRANCH))
    expect((await harness.head())!.heads.length).toBeLessThan(LIMITS.branch_heads_max)
  })
})

describe('[CHG-2] a context has no more heads than its head record should name', () => {
  test('a change that adds one is refused, one that takes the place of another is not', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    const author = new Author(1)
    const root = author.append()
    const branches = Array.from({ length: LIMITS.context_heads_max }, (_, n) => `b${n}`)
    const lone = branches.flatMap(branch => strangers(author, 1, branch))
    await pushAll(harness, client, [root, ...lone])

    const refused = async (change: Change) => {
      client.push(change)
      return await client.next('refuse')
    }
    const [more] = strangers(author, 1, 'more')
    expect(await refused(more!)).toMatchObject({ code: 'WEFT_CONTEXT_HEADS' })
    await harness.restart()

    const again = await harness.following()
    again.push(more!)
    expect(await again.next('refuse')).toMatchObject({ code: 'WEFT_CONTEXT_HEADS' })
    const heads = lone.slice(0, 2).map(({ id }) => author.set.dag.node(id))
    const merged = new BranchWriter(author.set, author.host, 'b0', 'merger').write({
      entries: [{ kind: 'note', value: 'two in one' }],
      at: heads,
    })
    await pushAll(harness, again, [merged!, more!])
    expect((await harness.head())!.heads).toHaveLength(LIMITS.context_heads_max)
    const [engine] = strangers(author, 1, WAKES_BRANCH)
    await pushAll(harness, again, [engine!])
  })

  test('one that is full of attempts that lost has room again when they are abandoned', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    const author = new Author(1)
    const root = author.append()
    const lost = Array.from({ length: LIMITS.context_heads_max }, (_, n) => `lost${n}`)
    const lone = lost.flatMap(branch => strangers(author, 1, branch))
    await pushAll(harness, client, [root, ...lone])
    const context = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'planner' })
    const refused = context.fork('next').append('message', { text: 'one more' })
    await expect(refused.committed).rejects.toMatchObject({ code: 'WEFT_CONTEXT_HEADS' })

    expect(context.unmerged).toEqual(lost)
    await context.abandon(context.unmerged, { reason: 'the first one won' }).committed
    expect(context.unmerged).toEqual([])
    expect((await harness.head())!.heads.length).toBeLessThan(4)
    await context.fork('again').append('message', { text: 'one more' }).committed
  })
})
