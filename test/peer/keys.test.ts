import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, defineContext, type Replica } from '@weft/replica'
import { addMasterKey, openLevelStore } from '@weft/store-level'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { WatchedKeys } from '../support/key-services.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf } from '../support/peer-until.ts'

const Note = defineContext({ name: 'note', version: 1, entries: { line: z.string() } })

test('a tenant whose key cannot be had is told so, nothing of others is cut off, and later all goes on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-keys-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const keyFile = join(folder, 'weft.keys')
  await addMasterKey(keyFile, 'new file')
  const encryption = await WatchedKeys.of(keyFile)
  let opened = 0
  const openStore = () => {
    opened++
    return openLevelStore(join(folder, 'data'), { encryption })
  }
  const harness = await PeerHarness.start({ openStore })
  const replicaOf = async (tenant: string): Promise<Replica> => {
    const replica = await connect({ url: harness.url, token: await harness.token({ tenant }) })
    onTestFinished(() => replica.close({ discard: true }))
    return replica
  }
  const open = (replica: Replica) => replica.open(Note, { workflow: 'w', agent: 'a' })
  const other = await open(await replicaOf('other'))
  await (await open(await replicaOf('known'))).append('line', 'before').committed
  await harness.restart()
  encryption.down.add('new').add('known')

  expect(await rejectionOf(open(await replicaOf('known')))).toMatchObject({ code: 'WEFT_STORE_KEY' })
  // Nothing is there to be read yet: it is the first write that needs a key.
  const fresh = await open(await replicaOf('new'))
  fresh.append('line', 'first')
  expect(await rejectionOf(fresh.flush({ timeout_ms: 10_000 }))).toMatchObject({ code: 'WEFT_STORE_KEY' })
  await other.append('line', 'goes on').committed
  expect(opened).toBe(2)

  encryption.down.clear()
  await harness.restart()
  expect((await open(await replicaOf('known'))).entries()).toHaveLength(1)
  await (await open(await replicaOf('new'))).append('line', 'now').committed
})
