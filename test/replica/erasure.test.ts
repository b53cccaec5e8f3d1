import { type Change, changeOfEntry, decodeChange, Intake, ChangeSet } from '@weft/core'
import { describe, expect, it } from 'vitest'
import { sha256 } from '../support/core-property.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { type Opened, Research } from '../support/replica-contexts.ts'

const CANARY = 'canary-7f3a91'
const ADMIN = { scopes: ['read', 'write', 'admin'] as const }

async function open(harness: PeerHarness, agent: string, admin = false): Promise<Opened> {
  const token = await harness.token(admin ? { scopes: [...ADMIN.scopes] } : {})
  const replica = await harness.replica({ token })
  return replica.open(Research, { workflow: 'w', agent })
}

async function scene() {
  const harness = await PeerHarness.start()
  const [admin, worker] = [await open(harness, 'admin', true), await open(harness, 'worker')]
  const said = worker.append('message', { text: `my key is ${CANARY}` })
  await said.committed
  await admin.until(() => admin.position === worker.position)
  return { harness, admin, worker, said: said.change!, entry: said.entries[0]! }
}

/** All that a handle shows, as text. */
function shownBy(context: Opened): string {
  const bytes = context.changes().map(change => Buffer.from(change.bytes).toString('latin1'))
  const { entries, text } = {
    entries: context.entries({ reverted: true }),
    text: context.window({ budget: 4_000 }).text,
  }
  return JSON.stringify([bytes, entries, [...context.audit()], context.conflicts(), context.state, text])
}

async function onDisk(harness: PeerHarness): Promise<string> {
  return (await harness.log()).map(({ bytes }) => Buffer.from(bytes).toString('latin1')).join('\n')
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 5))
}

/** Resolves when all know as much of the log as one of them. */
async function level(...contexts: Opened[]): Promise<void> {
  const most = Math.max(...contexts.map(({ position }) => position))
  await until(() => contexts.every(({ position }) => position >= most))
}

describe('[ERA-1] the content of a change', () => {
  it('is gone from the peer, from every replica and from those that come later, and is told of as erased', async () => {
    const { harness, admin, worker, said, entry } = await scene()
    worker.append('message', { text: 'after it' })
    await worker.flush()
    expect(shownBy(worker)).toContain(CANARY)
    expect(await onDisk(harness)).toContain(CANARY)
    await level(admin, worker)
    const erased = await admin.erase([entry], { reason: 'a leaked key' })
    expect(erased).toMatchObject({ changes: [said], entries: [entry], already: [], position: admin.position })
    await level(admin, worker)
    const late = await open(harness, 'late')
    for (const context of [admin, worker, late]) {
      expect(shownBy(context)).not.toContain(CANARY)
      const told = context.entries().find(({ id }) => id === entry)
      expect(told).toMatchObject({
        kind: 'message',
        value: null,
        erased: { by: erased.change, agent: 'admin', reason: 'a leaked key' },
      })
      expect(context.digest()).toBe(admin.digest())
      const { leftOut } = context.window({ budget: 4_000 })
      expect(leftOut).toContainEqual({ entry, why: 'erased', detail: erased.change })
    }
    expect(await onDisk(harness)).not.toContain(CANARY)
    await harness.restart()
    expect(shownBy(await open(harness, 'later'))).not.toContain(CANARY)
  })

  it('is erased by whoever may administer, and by nobody else', async () => {
    const { harness, worker, entry } = await scene()
    await expect(worker.erase([entry])).rejects.toMatchObject({ code: 'WEFT_SCOPE', details: {} })
    expect(shownBy(worker)).toContain(CANARY)
    expect(await onDisk(harness)).toContain(CANARY)
  })

  it('stays as it is in a dry run, which names what was derived from it', async () => {
    const { harness, admin, worker, said, entry } = await scene()
    const copied = worker.append('decision', { choice: `use ${CANARY}` }, { dependsOn: [`entry:${entry}`] })
    await worker.flush()
    await level(admin, worker)
    const plan = await admin.erase([said], { dryRun: true })
    expect(plan).toMatchObject({
      changes: [said],
      derived: { entries: copied.entries, changes: [copied.change] },
    })
    expect(plan.change).toBeUndefined()
    expect(await onDisk(harness)).toContain(CANARY)
    const all = await admin.erase([said], { withDerived: true })
    expect(all).toMatchObject({ changes: [said, copied.change], derived: { changes: [] } })
    expect(await onDisk(harness)).not.toContain(CANARY)
    expect(await admin.erase([entry])).toMatchObject({ changes: [], already: [said] })
  })

  it('is refused where there is none, or what is named is not there', async () => {
    const { admin, worker, entry } = await scene()
    admin.fork('empty')
    await admin.flush()
    const fork = [...admin.audit()].find(({ forks }) => forks.length > 0)!.change
    const initial = admin.changes()[0]!.id
    await expect(admin.erase([fork])).rejects.toMatchObject({ code: 'WEFT_ERASE_NOTHING' })
    await expect(admin.erase([initial])).rejects.toMatchObject({ code: 'WEFT_ERASE_REFUSED' })
    await expect(admin.erase(['f'.repeat(64)])).rejects.toMatchObject({ code: 'WEFT_CHANGE_UNKNOWN' })
    await expect(admin.erase([`${changeOfEntry(entry)}.7`])).rejects.toMatchObject({
      code: 'WEFT_ENTRY_UNKNOWN',
    })
    const { change } = await admin.erase([entry])
    await expect(admin.erase([change!])).rejects.toMatchObject({ code: 'WEFT_ERASE_REFUSED' })
    await level(admin, worker)
    expect(worker.branches).toEqual(['main', 'empty'])
  })
})

describe('[ERA-1] what was written to the state', () => {
  it('is erased when another value stands in its place, and everybody goes on writing', async () => {
    const { harness, admin, worker } = await scene()
    const wrote = worker.change(state => {
      state.constraints.key = CANARY
    })
    await worker.flush()
    await level(admin, worker)
    await expect(admin.erase([wrote.change!])).rejects.toMatchObject({
      code: 'WEFT_ERASE_IN_FORCE',
      details: { shown: [{ branch: 'main', pointers: ['/constraints/key'] }] },
    })
    const over = worker.change(state => {
      state.constraints.key = 'none'
    })
    const behind = await open(harness, 'behind')
    await worker.flush()
    await level(admin, worker, behind)
    const plan = await admin.erase([wrote.change!])
    expect(plan.pointers).toEqual(['/constraints/key'])
    // Who does not know of it yet writes on, and so does who does.
    behind.change(state => {
      state.plan = [...state.plan, 'behind']
    })
    admin.change(state => {
      state.constraints.more = 1
    })
    await Promise.all([behind.flush(), admin.flush()])
    await level(admin, worker, behind)
    worker.change(state => {
      state.constraints.last = 2
    })
    await worker.flush()
    const late = await open(harness, 'late')
    await level(admin, worker, behind, late)
    for (const context of [admin, worker, behind, late]) {
      expect(context.state).toEqual({
        plan: ['begin', 'behind'],
        constraints: { key: 'none', more: 1, last: 2 },
      })
      expect(context.digest()).toBe(admin.digest())
      const written = context.changes().find(({ id }) => id === wrote.change)!
      expect(Buffer.from(written.bytes).toString('latin1')).not.toContain(CANARY)
      expect(context.at([wrote.change!]).state.constraints).toEqual({ key: null })
      expect(context.at([over.change!]).state.constraints).toEqual({ key: 'none' })
    }
  })
})

function fullCopies(context: Opened): Change[] {
  return context.changes().map(({ bytes }) => decodeChange(bytes.slice(), sha256))
}

describe('[ERA-1] a copy that comes late', () => {
  it('of a replica that was away is let go of there, and taken from nobody', async () => {
    const { harness, admin, worker, entry } = await scene()
    const copies = fullCopies(worker)
    await admin.erase([entry])
    const [importer, fresh] = [await open(harness, 'importer'), await open(harness, 'fresh', true)]
    for (const context of [importer, fresh]) {
      expect(context.adopt(copies.map(({ bytes }) => bytes))).toBe(0)
      await context.flush()
      expect(shownBy(context)).not.toContain(CANARY)
    }
    expect(await onDisk(harness)).not.toContain(CANARY)
  })

  it('is erased again when a peer is filled anew, by whoever holds the log', async () => {
    const { harness, admin, worker, entry } = await scene()
    worker.append('message', { text: 'after it' })
    await worker.flush()
    await admin.erase([entry])
    await level(admin, worker)
    const ids = await harness.ids()
    await admin.close()
    await harness.stop()
    harness.disk.tenants.clear()
    await harness.restart()
    await worker.flush()
    const late = await open(harness, 'late')
    await late.until(() => late.position === ids.length)
    expect([...(await harness.ids())].sort()).toEqual([...ids].sort())
    expect(late.digest()).toBe(worker.digest())
    expect(shownBy(late)).not.toContain(CANARY)
    expect(await onDisk(harness)).not.toContain(CANARY)
  })

  it('in a peer that went back to before it was erased stays until somebody comes who may erase', async () => {
    const { harness, admin, worker, entry } = await scene()
    const before = structuredClone(harness.disk.tenants)
    worker.append('message', { text: 'after it' })
    await worker.flush()
    await admin.erase([entry])
    await level(admin, worker)
    await harness.stop()
    harness.disk.tenants.clear()
    for (const [tenant, contexts] of before) harness.disk.tenants.set(tenant, contexts)
    await harness.restart()
    const late = await open(harness, 'late')
    await until(async () => !(await onDisk(harness)).includes(CANARY))
    for (const context of [admin, worker, late]) {
      await until(() => !shownBy(context).includes(CANARY) && context.position === 4)
      expect(context.digest()).toBe(admin.digest())
    }
  })
})

it('[ERA-1] a change without its content is refused by every door that was not told that it was erased', async () => {
  const { harness, admin, entry, said } = await scene()
  await admin.erase([entry])
  const bare = admin.changes().find(({ id }) => id === said)!
  const others = admin.changes().filter(({ header }) => header.notes.erases === undefined)
  const set = new ChangeSet(sha256)
  const intake = new Intake(set)
  const take = (change: Change): void => void intake.receive(change)
  expect(() => others.forEach(take)).toThrow('nothing here erases it')
  expect(bare.complete).toBe(false)
  const elsewhere = (await harness.replica()).open(Research, { workflow: 'other', agent: 'eve' })
  const context = await elsewhere
  expect(() => context.adopt(others.map(({ bytes }) => bytes))).toThrow('nothing here erases it')
  const client = await harness.following({}, 'third')
  for (const { bytes } of others) client.send({ name: 'push', channel: 1, changes: [bytes] })
  expect(await client.next('refuse')).toMatchObject({ code: 'WEFT_CHANGE_MALFORMED' })
})

describe('[ERA-1] what was made of content that is erased', () => {
  it('a summary stands for nothing any more, and its range is shown again', async () => {
    const { admin, worker } = await scene()
    worker.append('message', { text: 'a second one' })
    const summary = await worker.summarize({}, entries => `${entries.length} messages, one of them ${CANARY}`)
    await worker.flush()
    await level(admin, worker)
    expect(worker.window({ budget: 4_000 }).text).not.toContain('a second one')
    await admin.erase([summary.change!])
    await level(admin, worker)
    const { text, leftOut } = worker.window({ budget: 4_000 })
    expect(text).toContain('a second one')
    expect(leftOut).toContainEqual(expect.objectContaining({ entry: summary.entries[0], why: 'erased' }))
  })

  it('[CMP-1] a summary of it is named in a dry run, and goes with it when what was derived goes', async () => {
    const { harness, admin, worker, entry } = await scene()
    worker.append('message', { text: 'a second one' })
    const summary = await worker.summarize({}, entries => `they said: ${JSON.stringify(entries)}`)
    await worker.flush()
    await level(admin, worker)
    expect(admin.blastRadius(`entry:${entry}`).entries).toEqual(summary.entries)
    expect((await admin.erase([entry], { dryRun: true })).derived.entries).toEqual(summary.entries)
    const { changes } = await admin.erase([entry], { withDerived: true })
    expect(changes).toContain(summary.change)
    const late = await open(harness, 'late')
    expect(shownBy(late)).not.toContain(CANARY)
    expect(late.window({ budget: 4_000 }).text).toContain('a second one')
    expect(await onDisk(harness)).not.toContain(CANARY)
  })

  it('is not given to whoever summarises it, and what is pinned is not told', async () => {
    const { admin, worker, entry } = await scene()
    worker.append('message', { text: 'a second one' })
    await worker.flush()
    await level(admin, worker)
    const pin = { entries: [entry] }
    expect(worker.window({ budget: 4_000, pin }).text).toContain(CANARY)
    await admin.erase([entry])
    await level(admin, worker)
    const window = worker.window({ budget: 4_000, pin })
    expect(window.included.map(({ entry: each }) => each)).not.toContain(entry)
    let given: readonly unknown[] = []
    await worker.summarize({}, entries => {
      given = entries.map(({ value }) => value)
      return 'one message'
    })
    expect(given).toEqual([{ text: 'a second one' }])
  })

  it('a call whose result is erased is not made again: the effect was done, and says what it lacks', async () => {
    const { admin, worker } = await scene()
    let runs = 0
    const run = () =>
      worker.step('pay', step =>
        step.effect('pay-17', () => {
          runs++
          return { receipt: CANARY }
        }),
      )
    await run()
    await level(admin, worker)
    const [done] = worker.effects()
    await admin.erase([done!.entry], { reason: 'asked for' })
    await level(admin, worker)
    await expect(run()).rejects.toMatchObject({
      code: 'WEFT_ERASED',
      message: expect.stringContaining('asked for'),
    })
    expect(runs).toBe(1)
  })

  it('a step that has begun goes on, and commits', async () => {
    const { admin, worker, entry } = await scene()
    const { value } = await worker.step('think', async step => {
      const seen = step.entries().length
      await admin.erase([entry])
      await level(admin, worker)
      step.append('message', { text: 'thought' })
      return seen
    })
    expect(value).toBe(1)
    expect(worker.entries().map(({ erased }) => erased !== undefined)).toEqual([true, false])
    expect(shownBy(worker)).not.toContain(CANARY)
  })
})

describe('[ERA-1] [DUR-5] whoever may not erase', () => {
  it('keeps what it knows after a rollback, and what depends on that, until somebody comes who may', async () => {
    const { harness, admin, worker, entry } = await scene()
    const before = structuredClone(harness.disk.tenants)
    const second = worker.append('message', { text: `once more ${CANARY}` })
    worker.append('message', { text: 'after it' })
    await worker.flush()
    await level(admin, worker)
    // One erasure of what the peer will have again, and of what it will lack.
    await admin.erase([entry, second.change!])
    await level(admin, worker)
    const [digest, held] = [worker.digest(), admin.changes().map(({ bytes }) => bytes.slice())]
    await admin.close()
    await harness.stop()
    harness.disk.tenants.clear()
    for (const [tenant, contexts] of before) harness.disk.tenants.set(tenant, contexts)
    await harness.restart()
    const late = await open(harness, 'late')
    await until(() => late.position === 2 && worker.position === 2)
    expect([worker.digest(), shownBy(worker).includes(CANARY)]).toEqual([digest, false])
    const again = await open(harness, 'again', true)
    again.adopt(held.toSorted((a, b) => rank(a) - rank(b)))
    await again.flush()
    await until(() =>
      [late, worker].every(each => each.position === again.position && each.digest() === digest),
    )
    expect(await onDisk(harness)).not.toContain(CANARY)
  })

  it('is told so before anything that is here is given up for an erasure from elsewhere', async () => {
    const { harness, admin, worker, entry } = await scene()
    const other = await open(harness, 'other')
    const copies = worker.changes().map(({ bytes }) => bytes.slice())
    await admin.erase([entry])
    const erasing = admin.changes().find(({ header }) => header.notes.erases !== undefined)!
    const elsewhere = await (await harness.replica()).open(Research, { workflow: 'elsewhere', agent: 'eve' })
    elsewhere.adopt(copies)
    expect(() => elsewhere.adopt([erasing.bytes])).toThrow(expect.objectContaining({ code: 'WEFT_SCOPE' }))
    expect(elsewhere.entries()[0]!.value).toEqual({ text: `my key is ${CANARY}` })
    await level(admin, other)
  })
})

/** What erases comes first. */
function rank(bytes: Uint8Array): number {
  return decodeChange(bytes, sha256).header.notes.erases === undefined ? 1 : 0
}
