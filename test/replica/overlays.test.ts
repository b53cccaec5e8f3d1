import { defineOverlay, type Replica } from '@weft/replica'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'

const House = defineOverlay(
  'house',
  z.object({ prompt: z.string(), flags: z.record(z.string(), z.boolean()).default({}) }),
)
const Ruled = defineOverlay('house', z.object({ prompt: z.string() }), {
  render: ({ prompt }) => `obey: ${prompt}`,
})
/** So that no answer is renewed, nor runs out, while a test runs. */
const LONG_MS = 600_000
const BARRIERS = Number(process.env.WEFT_OVERLAY_BARRIERS ?? 40)

async function start(overlay_lease_ms = LONG_MS) {
  const harness = await PeerHarness.start({ limits: { overlay_lease_ms } })
  const publisherOn = async () =>
    harness.replica({ token: await harness.token({ scopes: ['read', 'admin'] }) })
  const worker = async (client = 'worker') => {
    const replica = await harness.replica({ overlays: true, client })
    return { replica, context: await replica.open(Research, { workflow: 'w', agent: client }) }
  }
  return { harness, publisher: await publisherOn(), publisherOn, worker }
}

/** Resolves when a replica knows a version. */
const knows = (replica: Replica, version: number): Promise<void> =>
  until(async () => (await replica.overlays.get('house'))?.version === version, `version ${version} is known`)

describe('[OVL-1] an overlay', () => {
  it('has versions without gaps, whoever publishes them at once, and keeps them all', async () => {
    const { harness, publisher, publisherOn } = await start()
    const both = [publisher, await publisherOn()]
    const published = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        both[index % 2]!.overlays.publish(House, { prompt: `be ${index}` }, { reason: `because ${index}` }),
      ),
    )
    const counted = Array.from({ length: 20 }, (_, index) => index + 1)
    expect(published.map(({ version }) => version).sort((a, b) => a - b)).toEqual(counted)
    const reader = await harness.replica()
    const history = await reader.overlays.history('house')
    expect(history.map(({ version }) => version)).toEqual(counted)
    expect(new Set(history.map(({ reason }) => reason)).size).toBe(20)
    expect(await reader.overlays.get(House)).toMatchObject({ version: 20, value: { flags: {} } })
    expect(await reader.overlays.get('none')).toBeUndefined()
  })

  it('is pushed to whoever watches, each version once, from any position', async () => {
    const { harness, publisher } = await start()
    await publisher.overlays.publish('house', 'one')
    await publisher.overlays.publish('tone', 'soft', { enforce: 'advisory' })
    const reader = await harness.replica()
    const ends = new AbortController()
    const seen: unknown[] = []
    const watching = (async () => {
      for await (const { name, version, value } of reader.overlays.watch({ after: 1, signal: ends.signal })) {
        seen.push([name, version, value])
        if (seen.length === 1) await publisher.overlays.publish('house', 'two')
        if (seen.length === 2) ends.abort()
      }
    })()
    await watching
    expect(seen).toEqual([
      ['tone', 1, 'soft'],
      ['house', 2, 'two'],
    ])
    expect((await reader.overlays.list()).map(({ name, version }) => `${name}@${version}`)).toEqual([
      'house@2',
      'tone@1',
    ])
  })

  it('is not watched any more when the replica is closed', async () => {
    const { harness } = await start()
    const reader = await harness.replica()
    const next = reader.overlays.watch().next()
    await reader.overlays.list()
    await reader.close()
    expect((await rejectionOf(next)).code).toBe('WEFT_CLOSED')
  })

  it.each<[string, (publisher: Replica) => Promise<unknown>, string]>([
    [
      'its schema refuses',
      ({ overlays }) => overlays.publish(House, { prompt: 7 } as never),
      'WEFT_SCHEMA_REFUSED',
    ],
    ['is no JSON', ({ overlays }) => overlays.publish('house', { at: new Date() }), 'WEFT_VALUE_NOT_JSON'],
    ['has no such name', ({ overlays }) => overlays.publish('a/b', 1), 'WEFT_ID_INVALID'],
    ['has a name of every object', ({ overlays }) => overlays.publish('constructor', 1), 'WEFT_ID_INVALID'],
    [
      'is enforced by who knows what',
      ({ overlays }) => overlays.publish('house', 1, { enforce: 'x' as never }),
      'WEFT_USAGE',
    ],
    [
      'comes after another than is in force',
      ({ overlays }) => overlays.publish('house', 1, { after: 4 }),
      'WEFT_OVERLAY_VERSION',
    ],
    [
      'is too large',
      ({ overlays }) => overlays.publish('house', '.'.repeat(1_000_001)),
      'WEFT_CHANGE_TOO_LARGE',
    ],
  ])('that %s is refused, and nothing was published', async (_, publish, code) => {
    const { harness, publisher } = await start()
    expect((await rejectionOf(publish(publisher))).code).toBe(code)
    expect(await harness.ids('@overlays')).toEqual([])
  })

  it('is published by an admin alone', async () => {
    const { harness } = await start()
    const replica = await harness.replica()
    expect((await rejectionOf(replica.overlays.publish('house', 1))).code).toBe('WEFT_SCOPE')
    expect(await harness.ids('@overlays')).toEqual([])
  })

  it('whose log the peer has lost is offered again by an admin, and by nobody else', async () => {
    const { harness, publisher, worker } = await start()
    const { replica } = await worker()
    await publisher.overlays.publish('house', 'one')
    await publisher.overlays.publish('house', 'two')
    await knows(replica, 2)
    await harness.stop()
    harness.disk.tenants.get('acme')!.delete('@overlays')
    await harness.restart()
    await until(async () => (await harness.ids('@overlays')).length === 2, 'both are there again')
    await knows(replica, 2)
    expect((await replica.overlays.history()).map(({ value }) => value)).toEqual(['one', 'two'])
  })
})

describe('[OVL-2] a step', () => {
  it('asks nobody before it begins', async () => {
    const { harness, publisher, worker } = await start()
    await publisher.overlays.publish(House, { prompt: 'be brief' })
    const { replica, context } = await worker()
    await knows(replica, 1)
    await context.step('first', step => void step.append('message', { text: 'hello' }))
    const before = await harness.metric('weft_frames_received_total')
    for (let turn = 0; turn < 100; turn++) {
      await context.step('look', step => expect(step.overlay(House)?.version).toBe(1))
    }
    expect(await harness.metric('weft_frames_received_total')).toBe(before)
  })

  it('[STP-2] says what it ran under, and that it read it', async () => {
    const { publisher, worker } = await start()
    await publisher.overlays.publish(House, { prompt: 'be brief' })
    await publisher.overlays.publish('tone', 'soft')
    const { replica, context } = await worker()
    await until(async () => (await replica.overlays.list()).length === 2, 'both are known')
    const { change, entries } = await context.step('speak', step => {
      step.append('message', { text: step.overlay(House)!.value.prompt })
    })
    const { header } = context.changes().find(({ id }) => id === change)!
    expect(header.notes.overlays).toEqual({ house: 1, tone: 1 })
    expect(header.reads).toContainEqual({ ref: 'overlay:house', version: '1' })
    expect(context.blastRadius('overlay:house').entries).toEqual(entries)
  })

  it('is told which overlay its context embeds an older version of', async () => {
    const { publisher, worker } = await start()
    const { replica, context } = await worker()
    const shown = async () => {
      const { value } = await context.step('show', step => {
        step.append('message', { text: 'said' })
        return step.shownOverlays().map(({ version, embedded, renewed }) => ({ version, embedded, renewed }))
      })
      return value
    }
    expect(await shown()).toEqual([])
    await publisher.overlays.publish('house', 'one')
    await knows(replica, 1)
    expect(await shown()).toEqual([{ version: 1, embedded: undefined, renewed: true }])
    expect(await shown()).toEqual([{ version: 1, embedded: 1, renewed: false }])
    await publisher.overlays.publish('house', 'two')
    await knows(replica, 2)
    expect(await shown()).toEqual([{ version: 2, embedded: 1, renewed: true }])
  })

  it('[STP-2] [WIN-4] is shown them by its windows, which are recorded with the versions', async () => {
    const { harness, publisher, worker } = await start()
    await publisher.overlays.publish('tone', 'soft')
    await publisher.overlays.publish(Ruled, { prompt: 'be brief' })
    const { replica, context } = await worker()
    await until(async () => (await replica.overlays.list()).length === 2, 'both are known')
    const { value, change } = await context.step('speak', step => {
      step.append('message', { text: 'said' })
      return [
        step.window({ budget: 500 }),
        step.window({ budget: 500, overlays: [Ruled] }),
        step.window({ budget: 500, overlays: [] }),
        step.window({ budget: 500, overlays: ['none'] }),
      ].map(({ messages }) => messages.map(({ content }) => content))
    })
    expect(value).toEqual([['[house@1] {"prompt":"be brief"}', '[tone@1] soft'], ['obey: be brief'], [], []])
    const { header } = context.changes().find(({ id }) => id === change)!
    expect(header.notes.windows!.map(({ overlays }) => overlays)).toEqual([
      { house: 1, tone: 1 },
      { house: 1 },
      undefined,
    ])
    expect(header.reads).toContainEqual({ ref: 'overlay:tone', version: '1' })
    const deaf = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'deaf' })
    const told = deaf.step('deaf', step => void step.window({ budget: 500, overlays: [Ruled] }))
    expect((await rejectionOf(told)).code).toBe('WEFT_WINDOW_OPTIONS')
  })

  it('runs under none on a replica that does not follow them', async () => {
    const { harness, publisher } = await start()
    await publisher.overlays.publish('house', 'one')
    const replica = await harness.replica()
    const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
    await context.step('speak', step => {
      expect(step.overlay('house')).toBeUndefined()
      step.append('message', { text: 'free' })
    })
    expect(context.changes().some(({ header }) => header.notes.overlays)).toBe(false)
  })

  it('does not begin while it is not known what is in force', async () => {
    const { harness, worker } = await start(150)
    const { replica, context } = await worker()
    await context.step('online', () => {})
    await harness.stop()
    let begun = 0
    const refused = async () => {
      const step = context.step('offline', () => void begun++, { timeout_ms: 1 })
      return (await rejectionOf(step.then(() => Promise.reject(again)))).code
    }
    const again = Object.assign(new Error('not yet'), { code: 'begun', details: {} })
    await until(async () => (await refused()) === 'WEFT_OVERLAY_UNKNOWN', 'nothing is known any more')
    const before = begun
    const waiting = context.step('later', () => void begun++)
    const aborted = context.step('never', () => void begun++, { signal: AbortSignal.abort() })
    expect((await rejectionOf(aborted)).code).toBe('WEFT_ABORTED')
    expect(begun).toBe(before)
    await harness.restart()
    await waiting
    expect(begun).toBe(before + 1)
    await replica.close()
    expect((await rejectionOf(context.step('closed', () => {}))).code).toBe('WEFT_CLOSED')
  })
})

describe('[OVL-3] a step that runs under an older version', () => {
  it('is told by its signal, and commits nothing', async () => {
    const { publisher, worker } = await start()
    const { context } = await worker()
    const refused = await rejectionOf(
      context.step('think', async step => {
        const told = new Promise(resolve => step.signal.addEventListener('abort', resolve))
        await publisher.overlays.publish('house', 'new rules')
        await told
        step.append('message', { text: 'late' })
      }),
    )
    expect(refused).toMatchObject({
      code: 'WEFT_OVERLAY_STALE',
      details: { overlays: [{ name: 'house', ran: 0, required: 1 }] },
    })
    expect(textsOf(context)).toEqual([])
    await context.step('again', step => void step.append('message', { text: 'in time' }))
    expect(textsOf(context)).toEqual(['in time'])
  })

  it.each(['step', 'advisory'] as const)('goes on when the new one is enforced by %s', async enforce => {
    const { publisher, worker } = await start()
    const { replica, context } = await worker()
    await context.step('think', async step => {
      await publisher.overlays.publish('house', 'new rules', { enforce })
      await knows(replica, 1)
      step.append('message', { text: 'all the same' })
    })
    expect(textsOf(context)).toEqual(['all the same'])
  })

  it('[DUR-7] is withdrawn when it could not be told in time', async () => {
    const { harness, worker, publisher } = await start()
    const { replica, context } = await worker()
    await context.step('first', step => void step.append('message', { text: 'kept' }))
    const step = context.step('late', async step => {
      await harness.stop()
      step.append('message', { text: 'lost' })
    })
    await until(() => textsOf(context).includes('lost'), 'it is written here')
    await publisher.close({ discard: true })
    const elsewhere = await PeerHarness.start({}, harness.disk)
    const admin = await elsewhere.replica({ token: await elsewhere.token({ scopes: ['read', 'admin'] }) })
    await admin.overlays.publish('house', 'meanwhile')
    await elsewhere.stop()
    await harness.restart()
    const refused = await rejectionOf(step)
    expect(refused.code).toBe('WEFT_OVERLAY_STALE')
    expect(refused.details).toMatchObject({ withdrawn: [{ entries: [{ value: { text: 'lost' } }] }] })
    expect(textsOf(context)).toEqual(['kept'])
    expect(replica.unacknowledged).toEqual([])
  })

  it('[STP-3] begins no side effect', async () => {
    const { publisher, worker } = await start()
    const { context } = await worker()
    let ran = 0
    const refused = await rejectionOf(
      context.step('act', async step => {
        const told = new Promise(resolve => step.signal.addEventListener('abort', resolve))
        await publisher.overlays.publish('house', 'do not')
        await told
        await step.effect('pay', () => void ran++)
      }),
    )
    expect(refused.code).toMatch(/WEFT_ABORTED|WEFT_OVERLAY_STALE/)
    expect(ran).toBe(0)
  })
})

describe('[OVL-3] a barrier', () => {
  it('names who holds it, and until when at most; what was published stays', async () => {
    const { publisher, worker } = await start()
    const { context } = await worker()
    // By then it has the peer's word, which holds the barrier.
    await context.step('begun', () => {})
    const publish = (timeout_ms: number) =>
      rejectionOf(publisher.overlays.publish('house', 'x', { barrier: true, timeout_ms }))
    let refused = await publish(50)
    // The time is for the publication, too: one that takes all of it has not come to the barrier.
    for (let wait_ms = 100; refused.code === 'WEFT_NOT_SYNCED'; wait_ms *= 2) refused = await publish(wait_ms)
    expect(refused.code).toBe('WEFT_OVERLAY_BARRIER')
    const { version, left_ms } = refused.details as { version: number; left_ms: number }
    expect(refused.details).toMatchObject({ name: 'house', left_ms: expect.any(Number) })
    expect(left_ms).toBeLessThanOrEqual(LONG_MS)
    expect(await publisher.overlays.get('house')).toMatchObject({ version })
  })

  it.each([Number.POSITIVE_INFINITY, 20_000.5])('is waited for as long as %d ms', async timeout_ms => {
    const { publisher, worker } = await start(300)
    const { context } = await worker()
    await context.step('begun', () => {})
    expect(await publisher.overlays.publish('house', 'x', { barrier: true, timeout_ms })).toMatchObject({
      version: 1,
    })
  })

  it('publishes nothing where it is said that it waits for no time', async () => {
    const { publisher } = await start()
    for (const wrong of [null, { timeout_ms: Number.NaN }, { timeout_ms: -1 }]) {
      const refused = await rejectionOf(publisher.overlays.publish('house', 'x', wrong as never))
      expect(refused.code).toBe('WEFT_USAGE')
    }
    expect(await publisher.overlays.get('house')).toBeUndefined()
  })

  it('has no step begin or commit under an older version after it, on a real peer', async () => {
    const { harness, publisher, worker } = await start(300)
    const workers = await Promise.all(Array.from({ length: 6 }, (_, index) => worker(`worker-${index}`)))
    let barred = 0
    let ends = false
    const late: string[] = []
    const counts: { readonly version: number; readonly count: number }[] = []
    const work = workers.map(async ({ context }) => {
      while (!ends) {
        await context
          .step('turn', async step => {
            const version = step.overlay('house')?.version ?? 0
            if (version < barred) late.push(`begun under ${version} after the barrier of ${barred}`)
            await new Promise(resolve => setImmediate(resolve))
            step.append('message', { text: `under ${version}` })
          })
          .catch((error: { code: string }) => expect(error.code).toBe('WEFT_OVERLAY_STALE'))
      }
    })
    for (let version = 1; version <= BARRIERS; version++) {
      await publisher.overlays.publish('house', { version }, { barrier: true })
      barred = version
      counts.push({ version, count: (await harness.ids('w')).length })
    }
    ends = true
    await Promise.all(work)
    const reader = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'reader' })
    const committed = reader.changes().flatMap(({ id, header }) => {
      const under = header.notes.overlays
      return under ? [{ position: reader.positionOf(id)!, version: under.house ?? 0 }] : []
    })
    for (const { version, count } of counts)
      for (const change of committed)
        if (change.position > count && change.version < version)
          late.push(`${change.position} after ${count}`)
    expect(late).toEqual([])
    expect(committed.length).toBeGreaterThan(BARRIERS)
  })
})
