import type { LogRecord, Store } from '@weft/core'
import { beforeEach, describe, expect, test } from 'vitest'
import { recordOf, recordsOf, written } from './log-maker.ts'
import { rejection } from './store-rejection.ts'
import type { StoreHarness } from './store-harness.ts'

const ALL = Number.MAX_SAFE_INTEGER

/** What every Store does about damage. @param now what the tests around it have opened */
export function damageContract(now: () => { readonly harness: StoreHarness; readonly store: Store }): void {
  describe('damage', () => {
    let harness: StoreHarness
    let store: Store

    beforeEach(() => {
      ;({ harness, store } = now())
    })

    test('[DUR-4] a flipped bit is never served, and other contexts are', async () => {
      await written(store, 't', 'bad', 5)
      const good = await written(store, 't', 'good', 5)
      await harness.flipBit('t', 'bad', 3)
      store = await harness.open()
      const tenant = store.tenant('t')
      expect(await rejection(tenant.read('bad', 1, ALL))).toMatchObject({
        code: 'WEFT_STORE_CORRUPT',
        details: { tenant: 't', workflow: 'bad', position: 3 },
      })
      expect(await tenant.read('bad', 4, ALL)).toHaveLength(2)
      expect(await recordsOf(tenant.read('good', 1, ALL))).toStrictEqual(good.records)
      await tenant.append(good.next())
    })

    test('[DUR-4] nothing is written to a context whose end is damaged, and others are written to', async () => {
      const makers = await Promise.all(
        ['headless', 'cut', 'good'].map(workflow => written(store, 't', workflow, 5)),
      )
      await harness.loseHead('t', 'headless')
      await harness.loseRecord('t', 'cut', 5)
      store = await harness.open()
      const [headless, cut, good] = makers.map(maker => store.tenant('t').append(maker.next()))
      expect(await rejection(headless!)).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
      expect(await rejection(cut!)).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
      await good
      expect(await store.tenant('t').head('good')).toEqual(makers[2]!.headAt())
    })

    test('[DUR-4] a damaged context can be removed, and may begin again', async () => {
      await written(store, 't', 'w', 5)
      await written(store, 't', 'other', 2)
      await harness.loseRecord('t', 'w', 5)
      store = await harness.open()
      await store.tenant('t').remove('w')
      store = await harness.open()
      const maker = await written(store, 't', 'w', 1)
      store = await harness.open()
      expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
      expect(await store.tenant('t').read('other', 1, ALL)).toHaveLength(2)
    })

    for (const position of [1, 3, 5]) {
      test(`[DUR-4] the loss of record ${position} of 5 is noticed`, async () => {
        await written(store, 't', 'w', 5)
        await harness.loseRecord('t', 'w', position)
        store = await harness.open()
        expect(await rejection(store.tenant('t').read('w', 1, ALL))).toMatchObject({
          code: 'WEFT_STORE_CORRUPT',
          details: { tenant: 't', workflow: 'w', position },
        })
      })
    }

    test('[DUR-4] a head that says more than the log has is not served', async () => {
      await written(store, 't', 'w', 5)
      await harness.loseRecord('t', 'w', 5)
      store = await harness.open()
      expect(await rejection(store.tenant('t').head('w'))).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
    })

    test('[DUR-4] a log without its head does not pass for a new context', async () => {
      await written(store, 't', 'w', 5)
      await harness.loseHead('t', 'w')
      store = await harness.open()
      const tenant = store.tenant('t')
      expect(await rejection(tenant.head('w'))).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
      expect(await rejection(tenant.read('w', 1, ALL))).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
    })

    test('[DUR-4] of a damaged log what is sound by itself can be found, the last first', async () => {
      const { records } = await written(store, 't', 'w', 5)
      await written(store, 't', 'x', 2)
      await harness.flipBit('t', 'w', 5)
      await harness.loseRecord('t', 'w', 3)
      await harness.loseHead('t', 'w')
      store = await harness.open()
      const seen: LogRecord[] = []
      const look = (isIt: (record: LogRecord) => boolean) =>
        store.tenant('t').findLast('w', record => seen.push(recordOf(record)) > 0 && isIt(record))
      expect(await look(() => false)).toBeUndefined()
      expect(seen).toStrictEqual([4, 2, 1].map(position => records[position - 1]))
      expect(recordOf((await look(({ position }) => position < 4))!)).toStrictEqual(records[1])
      expect(seen).toHaveLength(5)
      expect(await store.tenant('t').findLast('none', () => true)).toBeUndefined()
    })

    test('[DUR-4] a listing yields every sound context, then names the damaged ones', async () => {
      for (const workflow of ['a', 'b', 'c', 'd', 'e']) await written(store, 't', workflow, 3)
      await harness.loseRecord('t', 'd', 3)
      await harness.loseHead('t', 'b')
      await harness.loseHead('t', 'e')
      store = await harness.open()
      const seen: string[] = []
      const listing = (async () => {
        for await (const { workflow } of store.tenant('t').heads()) seen.push(workflow)
      })()
      expect(await rejection(listing)).toMatchObject({
        code: 'WEFT_STORE_CORRUPT',
        details: { tenant: 't', workflows: ['b', 'd', 'e'] },
      })
      expect(seen).toEqual(['a', 'c'])
    })
  })
}
