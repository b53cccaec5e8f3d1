import { FAULTS, simulate, type SimulateOptions, type Workflow } from '@weft/testkit'
import { describe, expect, test } from 'vitest'
import { rejectionOf } from '../support/peer-until.ts'

const nothing: Workflow = async () => {}

describe('what would simulate something else than was meant is refused', () => {
  test.each<[string, unknown, string]>([
    ['no options', undefined, 'there are no options'],
    ['no seed', {}, 'seed is undefined'],
    ['a seed with a fraction', { seed: 0.5 }, 'seed is 0.5'],
    ['nobody', { seed: 1, workers: 0 }, 'workers is 0'],
    ['no steps', { seed: 1, steps_max: 0 }, 'steps_max is 0'],
    ['a fault that is mistyped', { seed: 1, faults: ['crash-wroker'] }, 'there is no fault "crash-wroker"'],
    ['one fault', { seed: 1, faults: 'crash-worker' }, 'faults is no list'],
    ['faults without end', { seed: 1, faultEvery_ms: 0 }, 'faultEvery_ms is 0'],
    ['an end that is none', { seed: 1, finally: true }, 'finally is no function'],
  ])('%s', async (_, options, message) => {
    expect(await rejectionOf(simulate(nothing, options as SimulateOptions))).toMatchObject({
      code: 'WEFT_USAGE',
      message: expect.stringContaining(message),
    })
  })

  test('no workflow', async () => {
    expect(await rejectionOf(simulate(undefined as unknown as Workflow, { seed: 1 }))).toMatchObject({
      code: 'WEFT_USAGE',
    })
  })
})

test('what can be simulated is', async () => {
  const options = { seed: 0, workers: 1, faults: [...FAULTS], faultEvery_ms: 0.5, steps_max: 10_000 }
  expect((await simulate(nothing, options)).violations).toEqual([])
})
