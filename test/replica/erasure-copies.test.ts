import { defineContext } from '@weft/replica'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { PeerHarness } from '../support/peer-harness.ts'

const CANARY = 'canary-7f3a91'
const Keys = z.record(z.string(), z.string())

/** Two versions of a context, of which the second has another name for one key. */
const First = defineContext({ name: 'keys', version: 1, state: Keys, entries: {}, initial: {} })
const Second = defineContext({
  name: 'keys',
  version: 2,
  state: Keys,
  entries: {},
  initial: {},
  migrations: {
    2: ({ key, ...rest }) => (key === undefined ? rest : { ...rest, renamed: key }),
  },
})

async function scene() {
  const harness = await PeerHarness.start()
  const replica = await harness.replica({
    token: await harness.token({ scopes: ['read', 'write', 'admin'] }),
  })
  const open = (definition: typeof First | typeof Second) =>
    replica.open(definition, { workflow: 'w', agent: 'admin' })
  const onDisk = async () =>
    (await harness.log()).map(({ bytes }) => Buffer.from(bytes).toString('latin1')).join('\n')
  const shownTo = async (agent: string) => {
    const late = await (await harness.replica()).open(Second, { workflow: 'w', agent })
    const states = Array.from({ length: late.position + 1 }, (_, at) => late.at(at).state)
    return JSON.stringify([states, late.resolutions(), late.conflicts()])
  }
  return { open, onDisk, shownTo }
}

it('[ERA-1] [STP-4] a value that a revert has brought back is erased with what it was taken from', async () => {
  const { open, onDisk, shownTo } = await scene()
  const admin = await open(First)
  const wrote = admin.change(state => ({ ...state, key: CANARY }))
  const over = admin.change(state => ({ ...state, key: 'other' }))
  const back = admin.revert({ change: over.change! })
  admin.change(() => ({}))
  await admin.flush()
  expect((await admin.erase([wrote.change!], { dryRun: true })).derived.changes).toEqual([
    back.receipt.change,
  ])
  await admin.erase([wrote.change!], { withDerived: true })
  expect(await shownTo('late')).not.toContain(CANARY)
  expect(await onDisk()).not.toContain(CANARY)
})

it('[ERA-1] [MRG-2] a value that a resolution has chosen is erased with the one that it was', async () => {
  const { open, onDisk, shownTo } = await scene()
  const admin = await open(First)
  admin.change(() => ({ key: 'begun' }))
  const branches = [admin.fork('p'), admin.fork('q')]
  const [p, q] = branches.map(branch => branch.change(() => ({ key: `${CANARY} of ${branch.branch}` })))
  admin.merge('p', 'q')
  // The winner need not be written once more.
  const lost = admin.state.key?.endsWith('p') ? q! : p!
  const { values } = admin.conflicts()[0]!
  const chosen = admin.resolve('/key', values.find(({ change }) => change === lost.change)!.value)
  for (const each of [admin, ...branches]) each.change(() => ({}))
  await admin.flush()
  const plan = await admin.erase([lost.change!], { dryRun: true })
  expect(plan.derived.changes).toEqual([chosen.change])
  await admin.erase([p!.change!, q!.change!], { withDerived: true })
  expect(await shownTo('late')).not.toContain(CANARY)
  expect(await onDisk()).not.toContain(CANARY)
})

it('[ERA-1] [HND-2] a value that a migration has moved is erased with the one that it moved', async () => {
  const { open, onDisk, shownTo } = await scene()
  const wrote = (await open(First)).change(() => ({ key: CANARY }))
  const admin = await open(Second)
  admin.change(state => ({ ...state, more: 'nothing' }))
  expect(admin.state).toEqual({ more: 'nothing', renamed: CANARY })
  admin.change(() => ({}))
  await admin.flush()
  const { changes } = await admin.erase([wrote.change!], { withDerived: true })
  expect(changes).toHaveLength(2)
  expect(await shownTo('late')).not.toContain(CANARY)
  expect(await onDisk()).not.toContain(CANARY)
})
