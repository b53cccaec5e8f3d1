import { connect } from '@weft/replica'
import { expect, onTestFinished, test } from 'vitest'
import { Journal } from '../support/journal.mjs'
import { ServeProcess } from '../support/peer-process.ts'
import { WorkerProcess } from '../support/worker-process.ts'

const TTL_MS = 400

test.each([
  ['whose clock went on', false],
  ['whose clock stood still, so that it believes to hold its lease,', true],
])('[HND-3] a worker %s that was stopped past its lease and replaced cannot commit', async (_, frozen) => {
  const serve = await ServeProcess.start()
  const zombie = new WorkerProcess('lease-worker.mjs', {
    URL: serve.url,
    TOKEN: await serve.token(),
    TTL_MS: `${TTL_MS}`,
    ...(frozen && { FROZEN: '1' }),
  })
  expect(await zombie.next()).toEqual({ epoch: 1 })
  zombie.tell({ text: 'alive' })
  expect(await zombie.next()).toEqual({ wrote: 'alive' })
  zombie.signal('SIGSTOP')
  zombie.tell({ text: 'late' })

  const replica = await connect({ url: serve.url, token: await serve.token() })
  onTestFinished(() => replica.close({ discard: true }))
  const context = await replica.open(Journal, { workflow: 'w', agent: 'heir' })
  const lease = await context.lease({ ttl_ms: 60_000 })
  expect(lease.epoch).toBe(2)
  await context.append('line', 'replaced').committed

  zombie.signal('SIGCONT')
  expect(await zombie.next()).toEqual({ refused: 'late', code: 'WEFT_LEASE_LOST' })
  zombie.tell({ text: 'later' })
  expect(await zombie.next()).toEqual({ refused: 'later', code: 'WEFT_LEASE_LOST' })
  await context.append('line', 'still here').committed
  expect(context.entries().map(({ value }) => value)).toEqual(['alive', 'replaced', 'still here'])
})
