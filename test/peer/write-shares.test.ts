import { setImmediate as nextTurn } from 'node:timers/promises'
import { WriteShares } from '@weft/peer'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { holds } from '../support/core-property.ts'
import { MemoryStore } from '../support/memory-store.ts'
import { overriding } from '../support/peer-store.ts'
import { until } from '../support/peer-until.ts'
import { SetClock } from '../support/set-clock.ts'
import { Author } from '../support/wire-author.ts'
import { startService, Wire } from '../support/wire-service.ts'

const SHARE = 8_000
const WINDOW_MS = 50
const LITTLE = 8 * SHARE
const REST_MS = 2
const REST_MS_MAX = 4
/** Of the event loop, that a write takes, and a millisecond: more arrives meanwhile. */
const TURNS = 4
const EVERYTHING = Number.POSITIVE_INFINITY
const nobody = (): void => {}

function sharesAt(): { shares: WriteShares; clock: SetClock } {
  const clock = new SetClock()
  return { shares: new WriteShares(clock, SHARE), clock }
}

describe('what is to be written next', () => {
  test('is all of a tenant’s who writes alone', () => {
    const { shares } = sharesAt()
    shares.of('much').admitted(10 * LITTLE)
    expect(shares.room('much', nobody)).toBe(EVERYTHING)
  })

  test('is a share of it while another one writes little', () => {
    const { shares } = sharesAt()
    shares.of('little').admitted(1_000)
    const much = shares.of('much')
    much.admitted(LITTLE)
    expect(shares.room('much', nobody)).toBe(EVERYTHING)
    much.written(LITTLE)
    much.admitted(1)
    expect(shares.room('much', nobody)).toBe(SHARE - 1_001)
    much.admitted(SHARE)
    expect(shares.room('much', nobody)).toBe(0)
    expect(shares.room('little', nobody)).toBe(EVERYTHING)
  })

  /** One that writes much has had its share and waits, another one has its change on the way. */
  function spent() {
    const { shares, clock } = sharesAt()
    const [little, much] = [shares.of('little'), shares.of('much')]
    little.admitted(1_000)
    much.admitted(2 * LITTLE)
    much.written(2 * LITTLE)
    expect(shares.room('much', nobody)).toBe(SHARE - 1_000)
    much.admitted(SHARE)
    const woken: string[] = []
    const wake = (): void => void woken.push('much')
    const room = (): number => shares.room('much', wake)
    expect(room()).toBe(0)
    return { clock, little, much, room, woken }
  }

  test('is a share again when what another one wrote is on disk, but not at once', () => {
    const { clock, little, much, room, woken } = spent()
    much.written(SHARE)
    little.written(1_000)
    expect([woken, room()]).toEqual([[], 0])
    little.admitted(1_000)
    clock.at_ms += REST_MS
    little.written(1_000)
    expect([woken, room()]).toEqual([['much'], SHARE])
  })

  test('is a share again after a while when nobody else writes', () => {
    const { clock, much, room, woken } = spent()
    much.written(SHARE)
    clock.advance(REST_MS_MAX - 1)
    expect([woken, room()]).toEqual([[], 0])
    clock.advance(1)
    expect([woken, room()]).toEqual([['much'], SHARE - 1_000])
  })

  test('is no other share before the last one is on disk', () => {
    const { clock, little, much, room, woken } = spent()
    clock.at_ms += REST_MS
    little.written(1_000)
    expect([woken, room()]).toEqual([['much'], 0])
    much.written(SHARE)
    expect([woken, room()]).toEqual([['much', 'much'], SHARE])
  })

  test('is never nothing for one of whom nothing is to be written', () => {
    const { shares } = sharesAt()
    shares.of('much').admitted(2 * LITTLE)
    shares.of('much').written(2 * LITTLE)
    for (let i = 0; i < 20; i++) shares.of(`little-${i}`).admitted(1_000)
    expect(shares.room('much', nobody)).toBe(1)
  })

  test('is everybody’s who writes much, when nobody who writes little has been there of late', () => {
    const { shares, clock } = sharesAt()
    const little = shares.of('little')
    little.admitted(1_000)
    little.written(1_000)
    for (const tenant of ['a', 'b']) shares.of(tenant).admitted(2 * LITTLE)
    expect(shares.room('a', nobody)).toBe(0)
    clock.at_ms += WINDOW_MS
    for (const tenant of ['a', 'b']) shares.of(tenant).admitted(2 * LITTLE)
    expect(shares.room('a', nobody)).toBe(0)
    clock.at_ms += WINDOW_MS
    expect([shares.room('a', nobody), shares.room('b', nobody)]).toEqual([EVERYTHING, EVERYTHING])
  })

  test('is as a history of all that was admitted says', () => {
    const act = fc.record({
      tenant: fc.constantFrom('a', 'b', 'c'),
      cost: fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 1, max: 2 * LITTLE })),
      writes: fc.boolean(),
      wait_ms: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 60 })),
    })
    holds(
      fc.array(act, { maxLength: 40 }),
      acts => {
        const { shares, clock } = sharesAt()
        const begun_ms = clock.at_ms
        const history: { tenant: string; cost: number; window: number; written: boolean; much: boolean }[] =
          []
        let opened = { at_ms: Number.NEGATIVE_INFINITY, from: 0 }
        const window = (): number => Math.floor((clock.at_ms - begun_ms) / WINDOW_MS)
        const sum = (costs: readonly { cost: number }[]): number =>
          costs.reduce((all, { cost }) => all + cost, 0)
        const recent = (tenant: string): number =>
          sum(history.filter(past => past.tenant === tenant && past.window >= window() - 1))
        const room = (tenant: string): number => {
          const littles = ['a', 'b', 'c'].filter(other => recent(other) > 0 && recent(other) <= LITTLE)
          if (littles.length === 0 || recent(tenant) <= LITTLE) return EVERYTHING
          openAfter(REST_MS_MAX)
          const unwritten = history.filter(({ written }) => !written)
          const left = SHARE - sum(history.slice(opened.from).filter(({ much }) => much))
          const free = Math.min(left, SHARE - sum(unwritten))
          if (free > 0) return free
          return left > 0 && !unwritten.some(past => past.tenant === tenant) ? 1 : 0
        }
        const openAfter = (rest_ms: number): void => {
          if (clock.at_ms - opened.at_ms >= rest_ms) opened = { at_ms: clock.at_ms, from: history.length }
        }
        for (const { tenant, cost, writes, wait_ms } of acts) {
          clock.at_ms += wait_ms
          const oldest = history.find(({ written }) => !written)
          if (writes && oldest) {
            oldest.written = true
            if (recent(oldest.tenant) <= LITTLE) openAfter(REST_MS)
            shares.of(oldest.tenant).written(oldest.cost)
          } else {
            const much = recent(tenant) + cost > LITTLE
            history.push({ tenant, cost, window: window(), written: false, much })
            shares.of(tenant).admitted(cost)
          }
          for (const name of ['a', 'b', 'c']) expect(shares.room(name, nobody)).toBe(room(name))
        }
      },
      500,
    )
  })
})

describe('[TEN-2] a flush of one tenant', () => {
  test('goes to the disk in large batches alone, and in small ones while another tenant writes little', async () => {
    const clock = new SetClock()
    const sizes: number[] = []
    const store = overriding(new MemoryStore(), inner => ({
      append: async batch => {
        if (inner.tenant === 'bulk') sizes.push(batch.records.length)
        for (let turn = 0; turn < TURNS; turn++) await nextTurn()
        await inner.append(batch)
      },
    }))
    const service = await startService({ store, clock, limits: { share_cost: SHARE } })
    const [bulk, other] = [new Wire(), new Wire()]
    for (const [wire, tenant] of [
      [bulk, 'bulk'],
      [other, 'other'],
    ] as const) {
      service.accept(wire)
      await wire.follows('w', tenant)
    }
    const [author, otherAuthor] = [new Author(1), new Author(2)]
    const flush = async (): Promise<readonly number[]> => {
      sizes.length = 0
      const goal = bulk.logged + 2_000
      for (let i = 0; i < 4; i++) bulk.pushes(author.appends(500, 500))
      await until(() => bulk.logged === goal, 'all of it is written')
      bulk.says({ name: 'seen', channel: 1, position: goal })
      return [...sizes]
    }
    /** Its worker writes a change now and then, while the time goes by. */
    const otherWrites = async (signal: AbortSignal): Promise<void> => {
      for (let turn = 0; !signal.aborted; turn++) {
        if (turn % 100 === 0) other.pushes([otherAuthor.append()])
        if (turn % TURNS === 0) clock.advance(1)
        await nextTurn()
      }
    }
    const most = SHARE / 1_000
    expect(Math.max(...(await flush()))).toBeGreaterThan(2 * most)
    const over = new AbortController()
    const writing = otherWrites(over.signal)
    await until(() => other.logged >= 1, 'the other one has its acknowledgement')
    const beside = await flush()
    over.abort()
    await writing
    // Until it has written much it is one of those who write little.
    const isMuch = (_: number, index: number): boolean =>
      beside.slice(0, index).reduce((sum, size) => sum + size, 0) > LITTLE / 1_000
    const throttled = beside.filter(isMuch)
    expect(throttled.length).toBeGreaterThan(100)
    expect(Math.max(...throttled)).toBeLessThanOrEqual(most)
    clock.at_ms += 2 * WINDOW_MS
    expect(Math.max(...(await flush()))).toBeGreaterThan(2 * most)
  })
})
