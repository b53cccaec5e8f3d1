import { join } from 'node:path'
import { MUTANTS, outdatedMutants, runMutants } from '@weft/testkit'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')

describe('npm run mutants', () => {
  it('has defects of every group of laws, each of its own, in code as it is built', async () => {
    expect(await outdatedMutants(ROOT)).toEqual([])
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length)
    expect(new Set(MUTANTS.map(({ file, from, to }) => `${file} ${from} ${to}`)).size).toBe(MUTANTS.length)
    const groups = new Set(MUTANTS.flatMap(({ laws }) => laws).map(law => law.slice(0, 3)))
    for (const group of ['CHG', 'DUR', 'HND', 'OVL', 'SES', 'STL', 'STP', 'TEN'])
      expect(groups).toContain(group)
  })

  it('fails, and simulates nothing, when the text that a defect replaces stands no longer in the code', async () => {
    const [sound] = MUTANTS
    const outdated = { ...sound!, name: 'one of old', from: 'what no line of it says' }
    const lines: string[] = []
    const code = await runMutants(ROOT, '', line => lines.push(line), [sound!, outdated])
    expect(code).toBe(1)
    expect(lines).toEqual([`OUTDATED  one of old: ${sound!.file} no longer holds "what no line of it says"`])
  })

  it('fails when it is to run none', async () => {
    expect(await runMutants(ROOT, 'there is none of this name', () => {})).toBe(1)
  })
})
