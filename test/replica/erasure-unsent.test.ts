import { BranchWriter, ChangeSet, decodeChange, ERASURES_BRANCH, erasureOf } from '@weft/core'
import { expect, test } from 'vitest'
import { seededHost, sha256 } from '../support/core-property.ts'
import { FrameTap } from '../support/frame-tap.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { Research } from '../support/replica-contexts.ts'

const CANARY = 'canary-7f3a91'

test('[ERA-1] what waits to be sent goes without what has been erased of it meanwhile, behind what erases it', async () => {
  const harness = await PeerHarness.start()
  const sent: string[] = []
  const see = (frame: Uint8Array): void => void sent.push(Buffer.from(frame).toString('latin1'))
  const { url } = await FrameTap.start(harness.url, () => {}, see)
  const replica = await harness.replica({
    url,
    token: await harness.token({ scopes: ['read', 'write', 'admin'] }),
  })
  const admin = await replica.open(Research, { workflow: 'w', agent: 'admin' })
  await harness.stop()
  const said = admin.append('message', { text: `my key is ${CANARY}` }).change!
  const wrote = admin.change(state => {
    state.constraints.key = CANARY
  }).change!
  admin.change(state => {
    state.constraints.key = 'none'
  })
  const set = new ChangeSet(sha256)
  for (const { bytes } of admin.changes()) set.add(decodeChange(bytes.slice(), sha256))
  const writer = new BranchWriter(set, seededHost(1), ERASURES_BRANCH, 'admin')
  const erasing = writer.write(erasureOf(set, set.nodes([said, wrote]), undefined, sha256))!
  admin.adopt([erasing.bytes])
  await harness.restart()
  await admin.flush()
  expect(await harness.ids()).toEqual(expect.arrayContaining([said, wrote, erasing.id]))
  expect(sent.join()).toContain('message')
  expect(sent.join()).not.toContain(CANARY)
  const late = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'late' })
  expect([late.state.constraints, late.digest()]).toEqual([{ key: 'none' }, admin.digest()])
})
