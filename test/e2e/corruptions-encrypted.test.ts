import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { weftHere, weftJson } from '../support/cli-run.ts'
import { seededDice } from '../support/core-property.ts'
import { corrupt, KINDS, LAYOUTS, type Sealed, sealedStore } from '../support/corruption.ts'

/** `npm run corruptions` makes more. */
const CORRUPTIONS = Number(process.env.WEFT_CORRUPTIONS ?? 6)
const SEED = Number(process.env.WEFT_SEED ?? 20_261_126)
const [OK, FAILED, STORAGE] = [0, 1, 4]

let folder: string
let keyFile: string
const stores: { directory: string; sealed: Sealed }[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-corruptions-'))
  keyFile = join(folder, 'weft.keys')
  await weftJson(['key', 'new', '--to', keyFile])
  for (const [index, layout] of LAYOUTS.entries()) {
    const plain = join(folder, `${layout}-plain`)
    const sealed = await sealedStore(plain, layout, SEED + index)
    const directory = join(folder, layout)
    const args = ['repair', '--data', plain, '--to', directory, '--encryption-key-file', keyFile]
    const { proven } = await weftJson<{ proven: boolean }>(args)
    expect(proven).toBe(true)
    stores.push({ directory, sealed })
  }
}, 120_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

interface Verified {
  readonly contexts: readonly { tenant?: string; workflow: string; ok: boolean; changes: number }[]
}

/** What is wrong with what verify says: it may refuse all of a store or some of it, and must pass over nothing. */
async function verify(
  directory: string,
  sealed: Sealed,
): Promise<{ isDamaged: boolean; violations: string[] }> {
  const args = ['verify', '--data', directory, '--encryption-key-file', keyFile, '--json']
  const { code, stdout, stderr } = await weftHere(args)
  if (code === STORAGE && /"code":"WEFT_STORE_/.test(stderr)) return { isDamaged: true, violations: [] }
  if (code !== OK && code !== FAILED)
    return { isDamaged: true, violations: [`it ended with ${code}: ${stderr}`] }
  const { contexts } = JSON.parse(stdout) as Verified
  const sound = contexts.filter(({ ok }) => ok)
  const wrong = sound.filter(
    ({ tenant, workflow, changes }) => sealed.get(`${tenant}/${workflow}`)?.length !== changes,
  )
  const violations = wrong.map(each => `${JSON.stringify(each)} is told of as sound`)
  if (code === OK && sound.length !== sealed.size)
    violations.push(`${sealed.size - sound.length} contexts are missed`)
  return { isDamaged: code !== OK, violations }
}

test('[DUR-4] of an encrypted store that is not damaged every context is sound', async () => {
  for (const { directory, sealed } of stores) {
    expect(await verify(directory, sealed)).toEqual({ isDamaged: false, violations: [] })
  }
})

test(`[DUR-4] ${CORRUPTIONS} corruptions of encrypted stores and their keys: nothing wrong passes for sound`, async () => {
  const found: string[] = []
  let damaged = 0
  for (let n = 0; n < CORRUPTIONS; n++) {
    const dice = seededDice(SEED + n)
    const { directory, sealed } = stores[dice(stores.length)]!
    const copy = join(folder, `corruption-${n}`)
    await cp(directory, copy, { recursive: true })
    const where = n % 2 === 0 ? join(copy, 'keys') : copy
    const what = await corrupt(where, KINDS[(n >> 1) % KINDS.length]!, dice)
    const verified = await verify(copy, sealed)
    found.push(...verified.violations.map(each => `${n}, ${what}: ${each}`))
    if (verified.isDamaged) damaged++
    await rm(copy, { recursive: true })
  }
  expect(found).toEqual([])
  // Every damage of a key is one, and most of the others are.
  expect(damaged).toBeGreaterThanOrEqual(CORRUPTIONS / 2)
})
