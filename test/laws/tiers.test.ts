import { BranchWriter, type Change, ChangeSet, LIMITS, retentionOf } from '@weft/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { holds } from '../support/core-property.ts'
import { host } from '../support/host.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { openOffline, textsOf } from '../support/replica-contexts.ts'
import { researchOn, StockClient, scratchCounts, sharingStep } from '../support/scratch-clients.ts'

/** A scratch that only waited for its owner's return would outlast any test. */
const PATIENT = { limits: { scratch: { owner_grace_ms: 3_600_000 } } }
const NOTHING = { rooms: 0, connections: 0, bytes: 0 }

describe('the scratch of a step', () => {
  it('[TIR-1] is local: it needs no peer, and makes no change of its own', async () => {
    const context = await openOffline()
    const before = context.digest()
    const drafted = context.step('draft', step => {
      step.scratch.text('draft').insert(0, 'a first thought')
      step.scratch.map('notes').set('mood', 'good')
      step.scratch.array<number>('scores').push([1, 2])
      expect(step.scratch.address).toBeUndefined()
      return step.scratch.content()
    })
    expect((await drafted).value).toEqual({
      draft: 'a first thought',
      notes: { mood: 'good' },
      scores: [1, 2],
    })
    expect(context.digest()).toBe(before)
  })

  it('[TIR-1] stays local, and of use, when there is no peer to share it with', async () => {
    const context = await openOffline()
    const step = context.step('draft', async ({ scratch }) => {
      scratch.text('draft').insert(0, 'alone')
      const { code } = await rejectionOf(scratch.share({ timeout_ms: 20 }))
      return [code, scratch.text('draft').toString()]
    })
    expect((await step).value).toEqual(['WEFT_PEER_UNREACHABLE', 'alone'])
  })

  it('[TIR-1] what is promoted becomes an ordinary entry of the step, and nothing else stays', async () => {
    const harness = await PeerHarness.start()
    const context = await researchOn(harness)
    const { change, entries } = await context.step('write', step => {
      const draft = step.scratch.text('draft')
      draft.insert(0, 'final words')
      step.scratch.text('junk').insert(0, 'thrown away')
      step.promote('message', { text: draft }, { dependsOn: ['ext:doc/1@v2'] })
      draft.insert(0, 'not the ')
    })
    expect(textsOf(context)).toEqual(['final words'])
    expect(context.why(entries[0]!).reads).toMatchObject([{ ref: 'ext:doc/1', version: 'v2' }])
    const other = await researchOn(harness)
    expect(textsOf(other)).toEqual(['final words'])
    expect([...other.audit()].map(record => record.change)).toContain(change)
  })

  it('[TIR-1] without a value, all that was opened is promoted, by name', async () => {
    const context = await openOffline()
    context
      .step('write', step => {
        step.scratch.text('text').insert(0, 'all of it')
        step.promote('message')
      })
      .catch(() => {})
    await until(() => textsOf(context).length > 0, 'it is written')
    expect(textsOf(context)).toEqual(['all of it'])
  })

  it('[TIR-1] what the schema refuses is not promoted', async () => {
    const context = await openOffline()
    const before = context.digest()
    const step = context.step(
      'write',
      each => void each.promote('message', { text: each.scratch.text('empty') }),
    )
    await expect(step).rejects.toMatchObject({ code: 'WEFT_SCHEMA_REFUSED' })
    expect(context.digest()).toBe(before)
  })

  it.each([
    ['returns', () => {}],
    [
      'throws',
      () => {
        throw new Error('the model is down')
      },
    ],
  ])('[TIR-1] is gone when its step %s', async (_, last) => {
    const harness = await PeerHarness.start(PATIENT)
    const held = await sharingStep(await researchOn(harness))
    const { scratch } = held.step
    const text = scratch.text('draft')
    text.insert(0, 'thought')
    const { doc } = scratch
    let destroyed = false
    doc.on('destroy', () => {
      destroyed = true
    })
    const watcher = await StockClient.synced(held.place, await harness.token())
    await watcher.reads('thought')
    await held.end(last).catch(() => {})
    expect(destroyed).toBe(true)
    expect(() => scratch.text('draft')).toThrowError(expect.objectContaining({ code: 'WEFT_STEP_ENDED' }))
    expect((await rejectionOf(scratch.share())).code).toBe('WEFT_STEP_ENDED')
    expect(await watcher.closed).toEqual({ code: 4410, reason: 'WEFT_SCRATCH_ENDED' })
    await until(async () => (await scratchCounts(harness)).connections === 0, 'all have left')
    expect(await scratchCounts(harness)).toEqual(NOTHING)
  })

  it('[TIR-1] is gone when its step is aborted, though its work goes on', async () => {
    const harness = await PeerHarness.start(PATIENT)
    const stop = new AbortController()
    const held = await sharingStep(await researchOn(harness), { signal: stop.signal })
    const { scratch } = held.step
    const watcher = await StockClient.synced(held.place, await harness.token())
    stop.abort(new Error('too late'))
    expect(() => scratch.doc).toThrowError(expect.objectContaining({ code: 'WEFT_STEP_ENDED' }))
    expect((await watcher.closed).code).toBe(4410)
    await expect(held.end()).rejects.toThrow('too late')
  })

  it('[TIR-1] streams to those who watch, and takes what they write', async () => {
    const harness = await PeerHarness.start()
    const context = await researchOn(harness)
    const held = await sharingStep(context, { scratch: 'shared' })
    const draft = held.step.scratch.text('draft')
    draft.insert(0, 'before')
    const byQuery = await StockClient.synced(held.place, await harness.token(), 'query')
    const byProtocol = await StockClient.synced(held.place, await harness.token(), 'subprotocol')
    await byQuery.reads('before')
    for (const word of [' and', ' after']) draft.insert(draft.length, word)
    await byQuery.reads('before and after')
    await byProtocol.reads('before and after')
    byQuery.text().insert(0, 'well ')
    await until(() => draft.toString() === 'well before and after', 'the step sees it')
    await byProtocol.reads('well before and after')
    await held.end(step => void step.promote('message', { text: draft }))
    expect(textsOf(context)).toEqual(['well before and after'])
  })
})

const DAY_MS = 86_400_000
const completion = (set: ChangeSet) => ({ completes: set.dag.packIds([...set.dag.heads]) })
const headsOf = ({ dag }: ChangeSet) => [...dag.heads].map(node => dag.id(node))

/** A log of a context as two workers write it, each pushing and pulling when it likes. */
const steps = fc.array(
  fc.record({ who: fc.nat(1), does: fc.constantFrom('write', 'fork', 'complete', 'push', 'pull') }),
  { maxLength: 40 },
)

class TwoWorkers {
  readonly log = new ChangeSet(host.hash)
  last: Change | undefined
  /** By completion: all that its author knew. */
  readonly known = new Map<string, ReadonlySet<string>>()
  readonly #sets = [new ChangeSet(host.hash), new ChangeSet(host.hash)]
  readonly #writers = this.#sets.map((set, who) => [new BranchWriter(set, host, 'main', `w-${who}`)])
  #forks = 0

  step(who: number, does: string): void {
    const set = this.#sets[who]!
    const writers = this.#writers[who]!
    const writer = writers.at(-1)!
    if (does === 'write') writer.write({ entries: [{ kind: 'message', value: 'x' }] })
    else if (does === 'fork') {
      const name = `b-${this.#forks++}`
      writer.fork([name])
      writers.push(new BranchWriter(set, host, name, `w-${who}`))
    } else if (does === 'complete') {
      const before = new Set(set.changes().map(change => change.id))
      this.known.set(writer.write({ notes: completion(set) })!.id, before)
    } else if (does === 'push') this.#push(set)
    else for (const change of this.log.changes()) set.add(change)
  }

  #push(set: ChangeSet): void {
    for (const change of set.changes()) if (this.log.add(change) >= 0) this.last = change
  }
}

describe('retention', () => {
  it('[TIR-2] only what is completed, with all there is known to who completed it, is ever removed', () => {
    holds(
      steps,
      list => {
        const workers = new TwoWorkers()
        for (const { who, does } of list) {
          workers.step(who, does)
          const { last, log, known } = workers
          if (last === undefined) continue
          const said = known.get(last.id)
          const completed =
            said !== undefined && log.changes().every(({ id }) => id === last.id || said.has(id))
          const verdict = retentionOf(last, headsOf(log), { keep_ms: 0 }, last.header.time + 1)
          expect(verdict.is).toBe(completed ? 'over' : 'open')
        }
      },
      100,
    )
  })

  it('[TIR-2] what is completed is kept as long as the rule says', () => {
    const set = new ChangeSet(host.hash)
    const writer = new BranchWriter(set, host, 'main', 'a')
    writer.write({ entries: [{ kind: 'message', value: 'x' }] })
    const last = writer.write({ notes: completion(set) })!
    const rule = { keep_ms: 30 * DAY_MS }
    const until_ms = last.header.time + rule.keep_ms
    expect(retentionOf(last, headsOf(set), rule, until_ms - 1)).toEqual({ is: 'kept', until_ms })
    expect(retentionOf(last, headsOf(set), rule, until_ms)).toEqual({ is: 'over', since_ms: until_ms })
  })

  it('[TIR-2] completing is a change like any other: it is committed, and every replica has it', async () => {
    const harness = await PeerHarness.start()
    const context = await researchOn(harness)
    context.append('message', { text: 'work' })
    context.fork('left-alone').append('message', { text: 'never merged' })
    const { change, committed } = context.complete({ reason: 'delivered' })
    await committed
    const other = await researchOn(harness)
    const record = [...other.audit()].find(each => each.change === change)
    expect(record).toMatchObject({ agent: 'planner', reason: 'delivered' })
    expect(other.digest()).toBe(context.digest())
    const head = (await harness.head())!
    const last = other.changes().find(each => each.id === change)!
    expect(head.heads).toHaveLength(2)
    expect(retentionOf(last, head.heads, { keep_ms: 0 }, Number.MAX_SAFE_INTEGER).is).toBe('over')
  })

  it('[TIR-2] a context with more attempts that nobody merged than a change can name is completed', async () => {
    const harness = await PeerHarness.start()
    const context = await researchOn(harness)
    const names = Array.from({ length: LIMITS.deps_max + 10 }, (_, at) => `attempt-${at}`)
    for (const name of names) context.fork(name).append('message', { text: name })
    const winner = context.merge('attempt-3')
    expect(winner.receipt.change).toBeDefined()
    const { change, committed } = context.complete({ reason: 'delivered' })
    await committed
    const { heads } = (await harness.head())!
    const last = context.changes().find(each => each.id === change)!
    expect(retentionOf(last, heads, { keep_ms: 0 }, Number.MAX_SAFE_INTEGER).is).toBe('over')
    context.fork('late')
    await context.flush()
    const opened = context.changes().at(-1)!
    expect(retentionOf(opened, (await harness.head())!.heads, { keep_ms: 0 }, 0).is).toBe('open')
  })
})
