import { BranchWriter, type Change, ChangeSet, parseRef, type Write } from '@weft/core'
import { type Observation, placeOf, preconditions } from '@weft/testkit'
import { describe, expect, it } from 'vitest'
import { seededHost, sha256 } from '../support/core-property.ts'
import { lawsBroken } from '../support/sim-court.ts'

const at = placeOf('acme', 'w')

function written(write: Write): Change {
  return new BranchWriter(new ChangeSet(sha256), seededHost(1), 'main', 'agent').write(write)!
}

const note = (...reads: string[]): Write => ({
  entries: [{ kind: 'note', value: 1 }],
  reads: reads.map(ref => parseRef(ref)),
})

const durable = (change: Change, position: number): Observation => ({ saw: 'durable', at, change, position })
const offered = (change: Change): Observation => ({ saw: 'offered', at, process: 'acme-1#1', change })

describe('preconditions', () => {
  const [seen, unseen] = [written(note()), written({ writes: ['ext:doc/1@v2'] })] as const
  const writer = new BranchWriter(new ChangeSet(sha256), seededHost(5), 'main', 'other')
  writer.set.add(seen)
  const late = writer.write(note('ext:doc/1@v1'))!
  const proposed = (heads: string[] | undefined, ...unmoved: string[]): Observation => ({
    saw: 'proposed',
    at,
    id: late.id,
    preconditions: { heads: heads ? [{ branch: 'main', ids: heads }] : [], unmoved },
  })

  it('[DUR-6] passes what was taken as it was to be', () => {
    const inOrder = [durable(seen, 1), durable(late, 2), durable(unseen, 3)]
    const asked = proposed([seen.id], 'ext:doc/1')
    expect(lawsBroken(preconditions(), asked, ...inOrder)).toEqual([])
  })

  it('[DUR-6] finds what was taken behind other heads, or after what must not have moved', () => {
    const behind = [durable(seen, 1), durable(unseen, 2), durable(late, 3)]
    expect(lawsBroken(preconditions(), proposed([seen.id]), ...behind)).toEqual(['DUR-6'])
    expect(lawsBroken(preconditions(), proposed(undefined, 'ext:doc/1'), ...behind)).toEqual(['DUR-6'])
    expect(lawsBroken(preconditions(), proposed(undefined, 'ext:doc/2'), ...behind)).toEqual([])
  })

  it('[DUR-6] passes what a worker brought back that held it when its tenant was dropped, and nothing else of a tenant that begins anew', () => {
    const removed: Observation = { saw: 'removed', tenant: 'acme', heads: 0, changes: 0, left: 0 }
    const asked = [offered(late), proposed([seen.id])]
    const taken = [...asked, durable(seen, 1), durable(late, 2), removed]
    const behind = [durable(seen, 1), durable(unseen, 2), durable(late, 3)]
    expect(lawsBroken(preconditions(), ...taken, offered(late), ...asked, ...behind)).toEqual([])
    expect(lawsBroken(preconditions(), ...taken, ...asked, ...behind)).toEqual(['DUR-6'])
    const before = [...taken.slice(0, -1), offered(late), removed]
    expect(lawsBroken(preconditions(), ...before, ...asked, ...behind)).toEqual(['DUR-6'])
    expect(lawsBroken(preconditions(), ...asked, removed, offered(late), ...asked, ...behind)).toEqual([
      'DUR-6',
    ])
  })
})
