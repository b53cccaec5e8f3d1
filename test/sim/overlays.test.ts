import { simulate } from '@weft/testkit'
import { expect, it } from 'vitest'
import { Research } from '../support/replica-contexts.ts'

it('[OVL-2] what a worker knows of overlays is confirmed before it runs out, from its first answer on', async () => {
  const waited: string[] = []
  await simulate(
    async ({ open, sleep }) => {
      const context = await open(Research, { workflow: 'w', agent: 'a' })
      await context.step('first', () => {})
      // The peer's word holds for 120 ms.
      for (let ms = 0; ms < 1_000; ms += 20) {
        await sleep(20)
        await context
          .step('look', () => {}, { timeout_ms: 0 })
          .catch(({ code }) => waited.push(`${ms}: ${code}`))
      }
    },
    { seed: 1, workers: 1, faults: [] },
  )
  expect(waited).toEqual([])
})
