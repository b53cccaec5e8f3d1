import { defineContext } from '@weft/replica'
import { FAULTS, matchers, simulate, type SimulatedWorker, type SimulationRun } from '@weft/testkit'
import '@weft/testkit/vitest'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const TOPICS = ['price', 'quality', 'risk']

const Research = defineContext({
  name: 'research',
  version: 1,
  state: z.object({ done: z.record(z.string(), z.boolean()) }),
  initial: { done: {} },
  entries: { finding: z.object({ topic: z.string(), by: z.number() }) },
})

/** What a user would have in a product: each worker researches all topics at once, and a crash begins it again. */
async function research(worker: SimulatedWorker): Promise<void> {
  const { index, attempt, dice } = worker
  const context = await worker.open(Research, { workflow: 'wf-42', agent: `worker-${index}` })
  const names = TOPICS.map(topic => `${topic}-${index}-${attempt}`)
  const report = await context.fanOut(names, async branch => {
    await worker.sleep(dice.between(5, 60))
    branch.append('finding', { topic: branch.branch.split('-')[0]!, by: index })
  })
  await report.receipt.committed
  const token = await context.token({ timeout_ms: 2_000 })
  await worker.open(Research, { workflow: 'wf-42', agent: `reader-${index}`, after: token })
}

describe('a fan-out of a user, under faults', () => {
  it('[DUR-1] [CHG-4] [SES-1] converges, keeps every ack and every finding', async () => {
    let faults = 0
    let attempts = 0
    for (let seed = 1; seed <= 8; seed++) {
      const run = await simulate(
        worker => {
          attempts += worker.attempt > 0 ? 1 : 0
          return research(worker)
        },
        {
          seed,
          workers: 3,
          faultEvery_ms: 15,
          finally: async worker => {
            const context = await worker.open(Research, { workflow: 'wf-42', agent: 'judge' })
            for (const by of [0, 1, 2]) {
              const topics = context.entries().flatMap(({ value }) => (value.by === by ? [value.topic] : []))
              expect(topics, `seed ${seed}, worker ${by}`).toEqual(expect.arrayContaining(TOPICS))
            }
          },
        },
      )
      expect(run).toConverge()
      expect(run).toKeepEveryAck()
      expect(run).toSeeOwnWrites()
      expect(run).toBeCausal()
      expect(run.violations).toEqual([])
      faults += run.faults.length
    }
    expect(faults).toBeGreaterThan(30)
    expect(attempts).toBeGreaterThan(0)
  })

  it('stands all faults that there are', async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const run = await simulate(research, { seed, faults: FAULTS, faultEvery_ms: 20 })
      expect(run.violations, `seed ${seed}`).toEqual([])
    }
  })

  it('makes the same of the same seed', async () => {
    const hashes = []
    for (const seed of [4, 4, 5]) hashes.push((await simulate(research, { seed })).hash)
    expect(hashes[1]).toBe(hashes[0])
    expect(hashes[2]).not.toBe(hashes[0])
  })

  it('throws what the workflow throws, and names the seed', async () => {
    const careless = async (worker: SimulatedWorker) => {
      await worker.sleep(5)
      throw new TypeError('undefined is not a finding')
    }
    await expect(simulate(careless, { seed: 9 })).rejects.toThrow(
      'the workflow failed under seed 9: undefined is not a finding',
    )
  })

  it('says so when the workflow does not come to its end', async () => {
    const endless = async (worker: SimulatedWorker) => {
      for (;;) await worker.sleep(1)
    }
    await expect(simulate(endless, { seed: 9, steps_max: 500 })).rejects.toThrow(
      'within 500 steps under seed 9',
    )
  })

  it('throws what the last look throws', async () => {
    const look = async () => {
      throw new Error('two findings are missing')
    }
    await expect(simulate(async () => {}, { seed: 9, finally: look })).rejects.toThrow(
      'two findings are missing',
    )
  })
})

describe('the matchers', () => {
  const broken = (checker: string): SimulationRun => ({
    seed: 3,
    steps: 1,
    hash: '',
    faults: [],
    violations: [{ checker, law: 'DUR-1', message: 'it is gone' }],
  })

  it.each([
    ['toConverge', 'convergence'],
    ['toConverge', 'world'],
    ['toKeepEveryAck', 'durability'],
    ['toSeeOwnWrites', 'sessions'],
    ['toBeCausal', 'causality'],
  ] as const)('%s fails on what %s finds, and passes on what others do', (name, checker) => {
    const verdict = matchers[name](broken(checker))
    expect(verdict.pass).toBe(false)
    expect(verdict.message()).toContain('seed 3')
    expect(verdict.message()).toContain('[DUR-1] it is gone')
    expect(matchers[name](broken('leases')).pass).toBe(true)
  })
})
