import { BranchWriter, type Change, ChangeSet } from '@weft/core'
import { type Observation, placeOf, proposals } from '@weft/testkit'
import { describe, expect, it } from 'vitest'
import { seededHost, sha256 } from '../support/core-property.ts'
import { lawsBroken } from '../support/sim-court.ts'

const at = placeOf('acme', 'w')

/** Changes of one writer that bear these marks. */
function marked(...marks: readonly string[]): Change[] {
  const writer = new BranchWriter(new ChangeSet(sha256), seededHost(1), 'main', 'agent')
  return marks.map(mark => writer.write({ entries: [{ kind: 'decision', value: { mark } }] })!)
}

const durable = (change: Change, position: number): Observation => ({ saw: 'durable', at, change, position })
const unwritten = (mark: string, left_ms = 900): Observation => ({ saw: 'unwritten', at, mark, left_ms })

describe('proposals', () => {
  const [a, again, b] = marked('<<a>>', '<<a>>', '<<b>>') as [Change, Change, Change]

  it('[DUR-6] passes what was taken once, also where it is written again as it is, and what was refused', () => {
    const seen = [durable(a, 1), durable(a, 1), durable(b, 2), unwritten('<<c>>')]
    expect(lawsBroken(proposals(), ...seen)).toEqual([])
  })

  it('[DUR-6] finds what was taken twice, as two changes', () => {
    expect(lawsBroken(proposals(), durable(a, 1), durable(again, 2))).toEqual(['DUR-6'])
  })

  it('[DUR-6] finds what was refused for the rate and is written, whichever came first', () => {
    expect(lawsBroken(proposals(), durable(a, 1), unwritten('<<a>>'))).toEqual(['DUR-6'])
    expect(lawsBroken(proposals(), unwritten('<<b>>'), durable(b, 1))).toEqual(['DUR-6'])
  })

  it('[DUR-6] finds whoever had the time, and was told that there was no rate', () => {
    expect(lawsBroken(proposals(), unwritten('<<a>>', 2_001))).toEqual(['DUR-6'])
  })
})
