import { expect, test } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'

async function scene() {
  const harness = await PeerHarness.start()
  const replica = await harness.replica()
  const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
  await context.append('message', { text: 'begin' }).committed
  return { harness, replica, context }
}

test('[DUR-6] what is proposed of branches is visible when the peer has taken it, to its author too', async () => {
  const { harness, context } = await scene()
  const release = harness.gate.hold()
  const { appends } = harness.gate
  const forking = context.proposeFork(['one', 'two'], { reason: 'to try both' })
  await until(() => harness.gate.appends > appends, 'it is with the peer')
  expect(context.branches).toEqual(['main'])
  release()
  expect(await forking).toEqual({ change: context.heads[0], position: context.position, isNew: true })
  expect(context.branches).toEqual(['main', 'one', 'two'])
  expect(await context.proposeFork([])).toMatchObject({ change: undefined, isNew: false })
  expect((await rejectionOf(context.proposeFork(['three', 'one']))).code).toBe('WEFT_BRANCH_EXISTS')
})

test('[HND-3] whoever holds a lease proposes under it', async () => {
  const { replica, context } = await scene()
  await context.lease()
  await context.proposeFork(['one', 'two'])
  for (const branch of ['one', 'two']) {
    const handle = await replica.open(Research, { workflow: 'w', agent: branch, branch })
    await handle.change(state => void Object.assign(state.constraints, { by: branch })).committed
  }
  const { change } = await context.proposeMerge(['one', 'two', 'main'])
  expect(context.mergeReport(change!)).toMatchObject({ merged: [{ branch: 'one' }, { branch: 'two' }] })
  expect(await context.proposeResolution('/constraints/by', 'one')).toMatchObject({ isNew: true })
  expect(context.conflicts()).toEqual([])
  const stranger = await replica.open(Research, { workflow: 'w', agent: 'b' })
  expect((await rejectionOf(stranger.proposeFork(['three']))).code).toBe('WEFT_LEASE_HELD')
  expect(stranger.branches).toEqual(['main', 'one', 'two'])
})

test('[MRG-2] more branches are abandoned than one change can name, each once', async () => {
  const { context } = await scene()
  const names = Array.from({ length: 140 }, (_, at) => `attempt-${at}-`.padEnd(128, 'x'))
  for (const name of names) context.fork(name)
  await context.flush()
  const { branches, changes } = await context.proposeAbandonment([...names, names[0]!])
  expect(branches).toEqual(names)
  expect(changes).toHaveLength(2)
  expect(names.every(name => context.branchStatus(name).state === 'abandoned')).toBe(true)
  expect((await context.proposeAbandonment(names)).changes).toEqual([])
})
