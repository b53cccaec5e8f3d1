import { isWeftError, type Store } from '@weft/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { collect, LogMaker, recordsOf, written } from './log-maker.ts'
import { damageContract } from './store-damage.contract.ts'
import type { StoreHarness } from './store-harness.ts'
import { rejection, rejections } from './store-rejection.ts'
import { storeMatchesModel } from './store-model.ts'

const ALL = Number.MAX_SAFE_INTEGER

/** The laws that every Store keeps. */
export function storeContract(name: string, makeHarness: () => Promise<StoreHarness>): void {
  describe(`store contract: ${name}`, () => {
    let harness: StoreHarness
    let store: Store

    beforeEach(async () => {
      harness = await makeHarness()
      store = await harness.open()
    })

    afterEach(() => harness.discard())

    describe('logs', () => {
      test('a context that was never written has no head and an empty log', async () => {
        expect(await store.tenant('t').head('w')).toBeUndefined()
        expect(await store.tenant('t').read('w', 1, ALL)).toEqual([])
        expect(await collect(store.tenant('t').heads())).toEqual([])
        expect(await collect(store.tenants())).toEqual([])
      })

      test('[DUR-2] a log reads back gapless from any position, as its author made it', async () => {
        const maker = await written(store, 't', 'w', 20)
        for (const from of [1, 2, 19, 20]) {
          expect(await recordsOf(store.tenant('t').read('w', from, ALL))).toStrictEqual(
            maker.records.slice(from - 1),
          )
        }
        expect(await store.tenant('t').read('w', 21, ALL)).toEqual([])
        expect(await store.tenant('t').read('w', 400, ALL)).toEqual([])
        expect(await store.tenant('t').head('w')).toEqual(maker.headAt())
      })

      test('a log of several pages reads back whole', async () => {
        const maker = new LogMaker('w')
        await store.tenant('t').append(maker.next(700))
        expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
      })

      test('a read ends before it exceeds its bytes, and has one record at least', async () => {
        const maker = await written(store, 't', 'w', 10)
        const sizes = maker.records.map(({ bytes }) => bytes.length)
        const two = sizes[0]! + sizes[1]!
        for (const [bytes_max, count] of [
          [0, 1],
          [1, 1],
          [two - 1, 1],
          [two, 2],
          [two + 1, 2],
        ] as const) {
          expect(await store.tenant('t').read('w', 1, bytes_max)).toHaveLength(count)
        }
      })

      test('bytes that were handed out are not used again', async () => {
        const maker = await written(store, 't', 'w', 2)
        const first = await recordsOf(store.tenant('t').read('w', 1, ALL))
        const copy = structuredClone(first)
        await store.tenant('t').append(maker.next(50))
        const again = await recordsOf(store.tenant('t').read('w', 1, ALL))
        expect(first).toStrictEqual(copy)
        expect(again).toStrictEqual(maker.records)
        expect(again[0]!.bytes.constructor).toBe(Uint8Array)
      })

      test('[DUR-2] appends that are not awaited keep their order', async () => {
        const maker = new LogMaker('w')
        const appends = Array.from({ length: 100 }, () => store.tenant('t').append(maker.next()))
        await Promise.all(appends)
        expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
        expect((await store.tenant('t').head('w'))?.count).toBe(100)
      })

      test('[DUR-2] an append that is no continuation is refused, and harms nothing', async () => {
        const maker = await written(store, 't', 'w', 2)
        const { records, head } = maker.next(3)
        const [third, fourth, fifth] = records as [
          (typeof records)[0],
          (typeof records)[0],
          (typeof records)[0],
        ]
        for (const broken of [
          { records: [], head },
          { records: [third, fifth], head },
          { records: [third, fourth], head },
          { records: [fourth, third, fifth], head },
          { records, head: { ...head, count: 4 } },
          { records, head: { ...head, heads: [] } },
          { records, head: { ...head, heads: ['x'] } },
          { records: [third, { ...fourth, id: 'x' }, fifth], head },
        ]) {
          expect(await rejection(store.tenant('t').append(broken))).toMatchObject({ code: 'WEFT_INTERNAL' })
        }
        expect(await rejection(store.tenant('t').read('w', 0, ALL))).toMatchObject({ code: 'WEFT_INTERNAL' })
        await store.tenant('t').append({ records, head })
        expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
      })

      test('[DUR-2] [DUR-3] an append that does not begin where the log ends changes nothing', async () => {
        const maker = await written(store, 't', 'w', 3)
        const other = new LogMaker('w')
        other.next(5)
        const beside = maker.next()
        for (const append of [
          maker.appendOf(1, 3),
          maker.appendOf(2, 4),
          other.appendOf(4, 5),
          other.appendOf(0, 1),
        ]) {
          const refused = rejection(store.tenant('t').append(append))
          // One that is sound shares the batch.
          const sound = store.tenant('t').append(new LogMaker(`sound-${append.head.count}`).next())
          expect(await refused).toMatchObject({ code: 'WEFT_INTERNAL' })
          await sound
        }
        expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records.slice(0, 3))
        await store.tenant('t').append(beside)
        expect(await store.tenant('t').head('w')).toEqual(maker.headAt(4))
      })

      test('[DUR-1] what was committed is there after reopening', async () => {
        const maker = await written(store, 't', 'w', 5)
        store = await harness.open()
        expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
        await store.tenant('t').append(maker.next(2))
        store = await harness.open()
        expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
        expect(await collect(store.tenant('t').heads())).toEqual([maker.headAt()])
      })
    })

    describe('tenants', () => {
      const TENANTS = ['A', 'a', 'a-b', 'a.b', 'a0', 'ab', 'a~']

      test('[TEN-2] tenants and workflows whose names begin alike do not mix, and come in order', async () => {
        for (const tenant of TENANTS.toReversed()) {
          for (const workflow of TENANTS.toReversed()) await written(store, tenant, workflow, 2)
        }
        expect(await collect(store.tenants())).toEqual(TENANTS)
        for (const tenant of TENANTS) {
          const heads = await collect(store.tenant(tenant).heads())
          expect(heads.map(({ workflow }) => workflow)).toEqual(TENANTS)
        }
      })

      test('[TEN-2] a workflow of one tenant is not there for another', async () => {
        await written(store, 'a', 'w', 3)
        expect(await store.tenant('b').head('w')).toBeUndefined()
        expect(await store.tenant('b').read('w', 1, ALL)).toEqual([])
      })

      test("[TEN-2] the engine's own workflows are kept as any other", async () => {
        const maker = await written(store, 't', '@overlay', 2)
        expect(await recordsOf(store.tenant('t').read('@overlay', 1, ALL))).toStrictEqual(maker.records)
      })

      test('[TEN-2] an id that could spell the key of another is refused', async () => {
        for (const id of ['', 'a/b', 'a\0h', '!format', '@a', 'a b', 'é', 'a'.repeat(129)]) {
          expect(() => store.tenant(id)).toThrow(expect.objectContaining({ code: 'WEFT_ID_INVALID' }))
        }
        const { records, head } = new LogMaker('w').next()
        for (const workflow of ['', 'a\0l', 'a/b', '@', '@@a', 'a'.repeat(129)]) {
          const tenant = store.tenant('t')
          for (const refused of await rejections([
            tenant.head(workflow),
            tenant.read(workflow, 1, ALL),
            tenant.append({ records, head: { ...head, workflow } }),
          ])) {
            expect(refused).toMatchObject({ code: 'WEFT_ID_INVALID' })
          }
        }
      })

      test('[TEN-4 drop] dropping a tenant removes what is its own, and says what it was', async () => {
        for (const tenant of TENANTS) await written(store, tenant, 'w', 2)
        await written(store, 'a', 'w-2', 3)
        expect(await store.tenant('a').drop()).toEqual({ workflows: 2, changes: 5 })
        const left = TENANTS.filter(tenant => tenant !== 'a')
        for (let opening = 0; opening < 2; opening++) {
          expect(await collect(store.tenants())).toEqual(left)
          expect(await store.tenant('a').head('w')).toBeUndefined()
          expect(await store.tenant('a').read('w', 1, ALL)).toEqual([])
          for (const tenant of left) expect(await store.tenant(tenant).read('w', 1, ALL)).toHaveLength(2)
          store = await harness.open()
        }
      })

      test('[TEN-4 drop] a dropped tenant can begin again, and dropping nothing removes nothing', async () => {
        expect(await store.tenant('t').drop()).toEqual({ workflows: 0, changes: 0 })
        await written(store, 't', 'w', 3)
        await store.tenant('t').drop()
        const maker = await written(store, 't', 'w', 1)
        expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
      })

      test('[TEN-4 drop] what is to be left instead is all there is, and counted', async () => {
        await written(store, 't', 'w', 3)
        await written(store, 'other', 'w', 1)
        const left = new LogMaker('@overlays')
        expect(await store.tenant('t').drop(() => left.next())).toEqual({ workflows: 1, changes: 3 })
        for (let opening = 0; opening < 2; opening++) {
          expect(store.unfinishedDrops).toEqual([])
          expect(await collect(store.tenant('t').heads())).toEqual([left.headAt()])
          expect(await recordsOf(store.tenant('t').read('@overlays', 1, ALL))).toStrictEqual(left.records)
          expect(await store.tenant('t').usage()).toEqual({
            bytes: left.records[0]!.bytes.length,
            contexts: 0,
          })
          store = await harness.open()
        }
        await store.tenant('t').append(left.next())
        expect(await store.tenant('t').head('@overlays')).toEqual(left.headAt())
      })

      test('[TEN-4 drop] appends that came before the drop are part of it', async () => {
        const maker = new LogMaker('w')
        const tenant = store.tenant('t')
        const appends = Array.from({ length: 20 }, () => tenant.append(maker.next()))
        const dropped = await tenant.drop()
        await Promise.all(appends)
        expect(dropped).toEqual({ workflows: 1, changes: 20 })
        expect(await collect(store.tenants())).toEqual([])
      })
    })

    describe('removing a context', () => {
      test('[TIR-2] removes all of it and nothing else, and it may begin again', async () => {
        for (const workflow of ['w', 'w-1', 'w.1', 'wf']) await written(store, 't', workflow, 3)
        await written(store, 'other', 'w', 2)
        expect(await store.tenant('t').remove('w')).toMatchObject({ changes: 3 })
        expect(await store.tenant('t').remove('w')).toEqual({ changes: 0, bytes: 0 })
        for (let opening = 0; opening < 2; opening++) {
          const heads = await collect(store.tenant('t').heads())
          expect(heads.map(({ workflow, count }) => [workflow, count])).toEqual([
            ['w-1', 3],
            ['w.1', 3],
            ['wf', 3],
          ])
          expect(await store.tenant('t').head('w')).toBeUndefined()
          expect(await store.tenant('t').read('w', 1, ALL)).toEqual([])
          expect(await store.tenant('other').read('w', 1, ALL)).toHaveLength(2)
          store = await harness.open()
        }
        const maker = await written(store, 't', 'w', 1)
        expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
      })

      test('[TIR-2] appends that came before are part of it', async () => {
        const maker = new LogMaker('w')
        const tenant = store.tenant('t')
        const appends = Array.from({ length: 20 }, () => tenant.append(maker.next()))
        const removed = await tenant.remove('w')
        await Promise.all(appends)
        expect(removed).toMatchObject({ changes: 20 })
        expect(await collect(store.tenants())).toEqual([])
      })
    })

    damageContract(() => ({ harness, store }))

    describe('closing', () => {
      test('[DUR-1] closing waits for the appends in flight', async () => {
        const maker = new LogMaker('w')
        const appends = Array.from({ length: 10 }, () => store.tenant('t').append(maker.next()))
        await store.close()
        await Promise.all(appends)
        store = await harness.open()
        expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
      })

      test('a closed store refuses everything, and closes again without complaint', async () => {
        const tenant = store.tenant('t')
        const listing = store.tenants()
        await store.close()
        await store.close()
        for (const refused of await rejections([
          tenant.head('w'),
          tenant.read('w', 1, ALL),
          tenant.append(new LogMaker('w').next()),
          tenant.remove('w'),
          tenant.drop(),
          collect(tenant.heads()),
          collect(listing),
          store.tenant('other').head('w'),
        ])) {
          expect(refused).toMatchObject({ code: 'WEFT_STORE_CLOSED' })
        }
      })

      test('closing ends the listings and reads that are under way', async () => {
        for (const tenant of ['a', 'b'])
          for (const workflow of ['v', 'w']) await written(store, tenant, workflow, 2)
        const tenants = store.tenants()[Symbol.asyncIterator]()
        const heads = store.tenant('a').heads()[Symbol.asyncIterator]()
        await Promise.all([tenants.next(), heads.next()])
        const read = store
          .tenant('a')
          .read('w', 1, ALL)
          .then(
            records => `${records.length} records`,
            (reason: unknown) => isWeftError(reason) && reason.code,
          )
        await store.close()
        expect(await rejection(tenants.next())).toMatchObject({ code: 'WEFT_STORE_CLOSED' })
        expect(await rejection(heads.next())).toMatchObject({ code: 'WEFT_STORE_CLOSED' })
        expect(['2 records', 'WEFT_STORE_CLOSED']).toContain(await read)
      })
    })

    test('[TEN-2] [DUR-1] [DUR-2] [TEN-4 drop] whatever is done to it, it equals a map of lists', async () => {
      await storeMatchesModel(makeHarness)
    })
  })
}
