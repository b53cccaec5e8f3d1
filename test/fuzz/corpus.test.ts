import { describe, expect, test } from 'vitest'
import { readCorpus } from '../../fuzz/corpus.ts'
import { replay } from '../../fuzz/replay.ts'

const CORPUS = readCorpus()

describe('[CHG-5] what once did harm does none', () => {
  test.each(CORPUS.map(({ name, sample }) => [name, sample] as const))('%s', async (_, sample) => {
    expect(sample.inputs.length).toBeGreaterThan(0)
    await replay(sample)
  })

  test('there are samples of each kind', () => {
    expect(new Set(CORPUS.map(({ sample }) => sample.kind))).toEqual(
      new Set(['frames', 'changes', 'updates', 'replica-frames']),
    )
  })
})
