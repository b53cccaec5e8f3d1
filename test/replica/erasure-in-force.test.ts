import { expect, it } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { Research } from '../support/replica-contexts.ts'

const CANARY = 'canary-7f3a91'
const ATTEMPTS = ['one', 'two']

it('[ERA-1] a value that is shown on branches alone which were abandoned is not in force', async () => {
  const harness = await PeerHarness.start()
  const token = await harness.token({ scopes: ['read', 'write', 'admin'] })
  const replica = await harness.replica({ token })
  const admin = await replica.open(Research, { workflow: 'w', agent: 'admin' })
  const wrote = admin.change(state => {
    state.constraints.key = CANARY
  })
  await admin.fanOut(ATTEMPTS, branch => void branch.append('message', { text: branch.branch }))
  admin.change(state => {
    delete state.constraints.key
  })
  await admin.flush()
  const shown = (...branches: readonly string[]) =>
    branches.map(branch => ({ branch, pointers: ['/constraints/key'] }))
  // They are merged, and may go on all the same.
  await expect(admin.erase([wrote.change!])).rejects.toMatchObject({
    code: 'WEFT_ERASE_IN_FORCE',
    details: { shown: shown(...ATTEMPTS) },
    cure: expect.stringContaining('abandon those that are done'),
  })
  admin.abandon(ATTEMPTS)
  const goesOn = await replica.open(Research, { workflow: 'w', agent: 'late', branch: 'two' })
  goesOn.append('message', { text: 'not done yet' })
  await admin.flush()
  await expect(admin.erase([wrote.change!])).rejects.toMatchObject({ details: { shown: shown('two') } })
  admin.abandon(['two'])
  await admin.flush()
  expect(await admin.erase([wrote.change!])).toMatchObject({ changes: [wrote.change] })
  const late = await harness.replica()
  for (const branch of ATTEMPTS) {
    const reader = await late.open(Research, { workflow: 'w', agent: 'reader', branch })
    expect(reader.state.constraints).toEqual({ key: null })
    expect(reader.digest()).toBe(admin.digest())
  }
  expect(admin.state.constraints).toEqual({})
})

it('[ERA-1] a value in an item of a list is in force wherever that stands now', async () => {
  const harness = await PeerHarness.start()
  const token = await harness.token({ scopes: ['read', 'write', 'admin'] })
  const replica = await harness.replica({ token })
  const admin = await replica.open(Research, { workflow: 'w', agent: 'admin' })
  const wrote = admin.change(state => {
    state.plan.push(CANARY, ...'rested')
  })
  admin.change(state => {
    state.plan.unshift('look around')
  })
  await admin.flush()
  await expect(admin.erase([wrote.change!])).rejects.toMatchObject({
    message: expect.stringContaining('/plan/2, /plan/3, /plan/4, /plan/5, /plan/6 and 2 more on main'),
    details: { shown: [{ branch: 'main', pointers: [2, 3, 4, 5, 6, 7, 8].map(at => `/plan/${at}`) }] },
  })
  admin.change(state => {
    state.plan.splice(2, 7, 'go on')
  })
  await admin.flush()
  expect(await admin.erase([wrote.change!])).toMatchObject({ changes: [wrote.change] })
  expect(admin.state.plan).toEqual(['look around', 'begin', 'go on'])
})
