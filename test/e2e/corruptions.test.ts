import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isWeftError } from '@weft/core'
import { signToken } from '@weft/peer'
import { ANY_CONTEXT, connect, type Replica } from '@weft/replica'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SECRET } from '../support/cli-peer.ts'
import { Running } from '../support/cli-run.ts'
import { comesUp, seededDice } from '../support/core-property.ts'
import { corrupt, KINDS, LAYOUTS, type Sealed, sealedStore } from '../support/corruption.ts'

/** `npm run corruptions` makes 2,000. */
const CORRUPTIONS = Number(process.env.WEFT_CORRUPTIONS ?? 8)
const SEED = Number(process.env.WEFT_SEED ?? 20_261_125)
const LANES = 2
const STORAGE_EXIT = 4

interface Outcome {
  /** A store that is refused as a whole, contexts that were served as they were sealed, contexts that were refused. */
  readonly refusedWhole: boolean
  readonly served: number
  readonly refused: number
  /** What must never happen. */
  readonly violations: readonly string[]
}

let folder: string
const stores: { directory: string; sealed: Sealed }[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-corruptions-'))
  for (const [index, layout] of LAYOUTS.entries()) {
    const directory = join(folder, layout)
    stores.push({ directory, sealed: await sealedStore(directory, layout, SEED + index) })
  }
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Serves a store that may be damaged, as `weft serve` does, and reads everything in it as a worker would. */
async function serveAndRead(directory: string, sealed: Sealed): Promise<Outcome> {
  const args = ['serve', '--data', directory, '--port', '0', '--json', '--log-level', 'silent']
  const serve = new Running(args, { env: { WEFT_SECRET: SECRET } })
  const line = await serve.line().catch(() => undefined)
  if (line === undefined) {
    const { code, stderr } = await serve.end()
    const isCoded = code === STORAGE_EXIT && /"code":"WEFT_STORE_/.test(stderr)
    const violations = isCoded ? [] : [`the serving process ended with ${code}: ${stderr.slice(0, 500)}`]
    return { refusedWhole: true, served: 0, refused: sealed.size, violations }
  }
  const { url } = JSON.parse(line) as { url: string }
  const counts = { served: 0, refused: 0 }
  const violations: string[] = []
  const replicas = new Map<string, Replica>()
  for (const [key, ids] of sealed) {
    const [tenant, workflow] = key.split('/') as [string, string]
    const replica = replicas.get(tenant) ?? (await replicaOf(url, tenant))
    replicas.set(tenant, replica)
    const outcome = await readOne(replica, workflow, ids)
    if (outcome === 'served') counts.served++
    else if (outcome === 'refused') counts.refused++
    else violations.push(`${key}: ${outcome}`)
  }
  for (const replica of replicas.values()) await replica.close({ discard: true })
  const { code } = await serve.end('SIGTERM')
  if (code !== 0) violations.push(`the serving process died: ${code ?? serve.child.signalCode}`)
  return { refusedWhole: false, ...counts, violations }
}

async function replicaOf(url: string, tenant: string): Promise<Replica> {
  return connect({ url, token: await signToken(SECRET, { tenant, scopes: ['read'], lifetime: 600 }) })
}

/** `served` exactly as sealed, `refused` by a code of the store, or what is wrong. */
async function readOne(replica: Replica, workflow: string, ids: readonly string[]): Promise<string> {
  try {
    const context = await replica.open(ANY_CONTEXT, { workflow, agent: 'reader', timeout_ms: 60_000 })
    const changes = [...context.changes()]
    const isSame =
      changes.length === ids.length && changes.every(({ id }) => ids[context.positionOf(id)! - 1] === id)
    return isSame ? 'served' : `${changes.length} changes were served where ${ids.length} were sealed`
  } catch (error) {
    return isWeftError(error) && error.code === 'WEFT_STORE_CORRUPT' ? 'refused' : String(error)
  }
}

test('[DUR-4] of a store that is not damaged every context is served', async () => {
  for (const [index, { directory, sealed }] of stores.entries()) {
    const copy = join(folder, `sound-${index}`)
    await cp(directory, copy, { recursive: true })
    expect(await serveAndRead(copy, sealed)).toEqual({
      refusedWhole: false,
      served: sealed.size,
      refused: 0,
      violations: [],
    })
  }
})

test(`[DUR-4] ${CORRUPTIONS} corruptions: nothing wrong is served, nothing is missing without a word, nothing dies`, async () => {
  const totals = { refusedWhole: 0, partly: 0, harmless: 0, served: 0, refused: 0 }
  const violations: string[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (let n = next++; n < CORRUPTIONS; n = next++) {
      const dice = seededDice(SEED + n)
      const { directory, sealed } = stores[dice(stores.length)]!
      const copy = join(folder, `corruption-${n}`)
      await cp(directory, copy, { recursive: true })
      const what = await corrupt(copy, KINDS[n % KINDS.length]!, dice)
      const outcome = await serveAndRead(copy, sealed)
      await rm(copy, { recursive: true, force: true })
      violations.push(...outcome.violations.map(each => `${n}, ${directory}, ${what}: ${each}`))
      totals.served += outcome.served
      totals.refused += outcome.refused
      if (outcome.refusedWhole) totals.refusedWhole++
      else if (outcome.refused > 0) totals.partly++
      else totals.harmless++
      if ((n + 1) % 100 === 0) console.log(`${n + 1} of ${CORRUPTIONS}: ${JSON.stringify(totals)}`)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  console.log(`${CORRUPTIONS} corruptions, seed ${SEED}: ${JSON.stringify(totals)}`)
  expect(violations).toEqual([])
  comesUp(totals.served, 0)
  comesUp(totals.refused, 0)
})
