import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isWeftError, type Store } from '@weft/core'
import { openLevelStore, salvage } from '@weft/store-level'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seededDice } from '../support/core-property.ts'
import { corrupt, LAYOUTS, type Sealed, sealedStore } from '../support/corruption.ts'
import { rawDatabase } from './level-harness.ts'

/** Number 100 of the corruptions that `npm run corruptions` makes: whoever opened that store never came back. */
const SEED = 20_261_125
const NUMBER = 100

describe('LevelDB store: a table whose index is out of order', () => {
  let folder: string
  let directory: string
  let sealed: Sealed
  let tenants: string[]

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-walks-'))
    directory = join(folder, 'store')
    const dice = seededDice(SEED + NUMBER)
    const layout = dice(LAYOUTS.length)
    sealed = await sealedStore(directory, LAYOUTS[layout]!, SEED + layout)
    tenants = [...new Set([...sealed.keys()].map(key => key.split('/')[0]!))]
    await corrupt(directory, 'bit', dice)
    expect(await tenantsThatSeeksLeadBackFrom()).not.toEqual([])
  })

  afterEach(() => rm(folder, { recursive: true, force: true }))

  async function tenantsThatSeeksLeadBackFrom(): Promise<string[]> {
    const db = rawDatabase(directory)
    await db.open()
    const keys = db.keys()
    const found: string[] = []
    for (const tenant of tenants) {
      const afterLast = `${tenant}\x01`
      keys.seek(afterLast)
      const key = await keys.next()
      if (key !== undefined && key < afterLast) found.push(tenant)
    }
    await keys.close()
    await db.close()
    return found
  }

  async function contextsOf(store: Store, tenant: string): Promise<string[]> {
    const found: string[] = []
    try {
      for await (const { workflow } of store.tenant(tenant).heads()) found.push(workflow)
    } catch (error) {
      if (!isWeftError(error) || error.code !== 'WEFT_STORE_CORRUPT') throw error
      found.push(...(error.details.workflows as string[]))
    }
    return found.map(workflow => `${tenant}/${workflow}`)
  }

  test('[DUR-4] opening it and listing what it holds come to an end, and pass over nothing', async () => {
    const store = await openLevelStore(directory, { onLoss: 'accept' })
    const found: string[] = []
    for await (const tenant of store.tenants()) found.push(tenant)
    const contexts = await Promise.all(found.map(tenant => contextsOf(store, tenant)))
    await store.close()
    expect(found).toEqual(tenants)
    expect(new Set(contexts.flat())).toEqual(new Set(sealed.keys()))
  })

  test('[DUR-4] saving what is sound in it comes to an end, and invents nothing', async () => {
    const contexts: string[] = []
    for await (const found of salvage(directory, new Set(), undefined)) {
      if (!('context' in found)) continue
      const { tenant, workflow, records } = found.context
      const key = `${tenant}/${workflow}`
      contexts.push(key)
      const ids = sealed.get(key)!
      expect(records.filter(({ id, position }) => ids[position - 1] !== id)).toEqual([])
    }
    expect(contexts).toEqual([...sealed.keys()])
  })
})
