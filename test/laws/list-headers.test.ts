import {
  BranchWriter,
  type Change,
  ChangeSet,
  type Conflict,
  decodeChange,
  encodeUtf8,
  fromHex,
  type Json,
  LIMITS,
  lastWriters,
  Staleness,
  toHex,
} from '@weft/core'
import { describe, expect, test } from 'vitest'
import { codeOf, forged, framed, frameOf } from '../support/core-forge.ts'
import { conflictsOf, replicaOf } from '../support/core-history.ts'
import { seededHost, sha256 } from '../support/core-property.ts'

/** By what writes it; a door says that the whole change is malformed. */
const REFUSED = /^WEFT_(POINTER_INVALID|CHANGE_TOO_LARGE|CHANGE_MALFORMED)$/

/** One who puts an item in before that which both edit, and one who does not. */
function besideAnInsertion(): { base: Change; moving: Change; other: Change } {
  const writers = [1, 2].map(seed => {
    return new BranchWriter(new ChangeSet(sha256), seededHost(seed), 'main', `agent-${seed}`)
  })
  const [one, two] = writers as [BranchWriter, BranchWriter]
  const item = (id: string, n: number) => ({ id, n })
  const base = one.write({ state: { list: [item('a', 0), item('b', 0)] } })!
  two.set.add(base)
  const moving = one.write({ state: { list: [item('new', 0), item('a', 1), item('b', 0)] } })!
  const other = two.write({
    entries: [{ kind: 'note', value: 0 }],
    reads: [{ ref: 'state:/list/1/n' }],
    state: { list: [item('a', 2), item('b', 0)] },
  })!
  for (const { state } of writers) state.free()
  return { base, moving, other }
}

describe('headers', () => {
  test('[STL-2] name what they moved, and the ends of lists apart', () => {
    const writer = new BranchWriter(new ChangeSet(sha256), seededHost(1), 'main', 'agent')
    const write = (list: readonly Json[]) => {
      const { writes, notes } = writer.write({ state: { list } })!.header
      return [writes, notes.ends]
    }
    write([1, 2, 3])
    expect(write([1, 2, 3, 4])).toEqual([['state:/list/-'], ['/list/~>3']])
    expect(write([0, 1, 2, 3, 4])).toEqual([['state:/list/-', 'state:/list/~>0'], undefined])
    expect(write([0, 1, 3, 4])).toEqual([['state:/list/2', 'state:/list/~<2'], undefined])
    expect(write([0, 1, 3])).toEqual([['state:/list/3'], ['/list/~<3']])
    expect(write([0, 9, 3])).toEqual([['state:/list/1'], undefined])
    // Both ends at once: nothing that others know stands elsewhere but for those that were put in before it.
    expect(write([7, 0, 9])).toEqual([['state:/list/-', 'state:/list/2', 'state:/list/~>0'], ['/list/~<2']])
    writer.state.free()
  })

  test('[MRG-2] that name no moves, as they once did, are of items that are told apart all the same', () => {
    const { base, moving, other } = besideAnInsertion()
    expect(moving.header.writes).toContain('state:/list/~>0')
    const writes = moving.header.writes.filter(ref => !ref.includes('~'))
    const old = replicaOf([base, forged(moving, { writes }), other])
    const told = ({ pointer, values }: Conflict) => [pointer, values.map(({ value }) => value)]
    expect(conflictsOf(old).map(told)).toEqual([['/list/1/n', expect.arrayContaining([1, 2])]])
    const isStale = (set: ChangeSet) =>
      new Staleness(set, set.everything()).why(`${other.id}.0`) !== undefined
    // By the index alone nothing tells that another item stands there.
    expect([isStale(old), isStale(replicaOf([base, moving, other]))]).toEqual([false, true])
  })

  test.each([
    ['state:/list/~>'],
    ['state:/list/~>01'],
    ['state:/list/~>-1'],
    ['state:/list/~>1/n'],
    ['state:/list/~=1'],
    ['state:/list/~@1'],
    ['state:/list/~@1@zz'],
    ['state:/list/~2'],
    [`state:/~>99999999999`],
    [`state:${'/0'.repeat(LIMITS.value_depth_max + 1)}/~>0`],
  ])('[CHG-5] that name %s as written are refused', ref => {
    const { base } = besideAnInsertion()
    expect(codeOf(() => forged(base, { writes: [ref] }))).toMatch(REFUSED)
  })

  test.each([
    ['writes', { writes: ['state:/list/~>3', 'state:/list/0', 'state:/list/~>1'] }],
    ['ends', { notes: { ends: ['/list/~<3', '/list/~>3', '/list/~<3'] } }],
  ])('[CHG-5] that say in their %s twice where items of a list were moved to one side are refused', (_, lie) => {
    expect(codeOf(() => forged(besideAnInsertion().base, lie as never))).toMatch(REFUSED)
  })

  test('say that items moved of a list as deep as one can be', () => {
    const { base } = besideAnInsertion()
    const mark = `state:${'/0'.repeat(LIMITS.value_depth_max)}/~>0`
    expect(forged(base, { writes: [mark] }).header.writes).toEqual([mark])
  })

  test.each([
    [['/list']],
    [['/list/3']],
    [['/list/~>1', 7]],
    ['/list/~>1'],
    [['state:/list/~>1']],
    [['/list/~@1@00000000000000000000000000000000']],
  ])('[CHG-5] that say %j of the ends of lists are refused', ends => {
    const { base } = besideAnInsertion()
    expect(codeOf(() => forged(base, { notes: { ends } as never }))).toMatch(REFUSED)
  })

  test('[CHG-4] [DUR-6] that name both moves of one list say no more than the lower, and that something was taken out', () => {
    const { base, moving, other } = besideAnInsertion()
    const known = (writes: string[]) => {
      const many = forged(moving, { writes })
      const edit = forged(other, { writes: ['state:/list/0'] })
      return [
        [base, many, edit],
        [base, edit, many],
      ].flatMap(changes => {
        const set = replicaOf(changes)
        const names = new Map([base, many, edit].map(({ id }, index) => [id, index]))
        return [0, 1, 2, 3].map(index =>
          lastWriters(set, set.everything(), `/list/${index}`)
            .map(id => names.get(id)!)
            .sort(),
        )
      })
    }
    const marks = ['state:/list/~<2', 'state:/list/~>1']
    expect(known(marks)).toEqual(known(['state:/list/~<1']))
    expect(known(marks)).not.toEqual(known(['state:/list/~<2']))
  })

  test.each([
    '/~>x',
    '/~=0',
    '/~@0',
    '/~2>',
    '/~~0',
  ])('[CHG-5] that come with %s for a mark are refused', bad => {
    const { moving } = besideAnInsertion()
    const [header, entries, state] = frameOf(moving)
    const named = fromHex(toHex(header!).replace(toHex(encodeUtf8('/~>0')), toHex(encodeUtf8(bad))))
    expect(named).not.toEqual(header)
    const code = codeOf(() => decodeChange(framed([named, entries!, state!]), sha256))
    expect(code).toBe('WEFT_CHANGE_MALFORMED')
  })

  test.each([
    'state:/list/~>1',
    'state:/list/~@1@00000000000000000000000000000000',
  ])('[CHG-5] that say that %s was read are refused: nobody reads a mark', ref => {
    const { base } = besideAnInsertion()
    expect(codeOf(() => forged(base, { reads: [{ ref }] }))).toMatch(REFUSED)
  })
})
