import {
  BranchWriter,
  ChangeSet,
  embeddedOverlays,
  type Enforcement,
  OverlayLeases,
  Overlays,
  overlayGate,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { refusal } from '../support/core-forge.ts'
import { holds, seededDice, seededHost, sha256 } from '../support/core-property.ts'
import { publication, stepUnder } from '../support/overlay-changes.ts'
import { OverlayWorld } from '../support/overlay-world.ts'

/** The code by which something is refused; undefined when it is not. */
function outcome(act: () => void): string | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    return (error as { code: string }).code
  }
}

const RACES = Number(process.env.WEFT_OVERLAY_RACES ?? 10_000)
const names = fc.constantFrom('house', 'legal', 'tone')
const enforcements = fc.constantFrom<Enforcement>('commit', 'step', 'advisory')

describe('[OVL-1] the log of overlays', () => {
  it('takes the next version of each, one after the other, and nothing else', () => {
    const offers = fc.array(
      fc.record({ name: names, version: fc.integer({ min: 1, max: 6 }), enforce: enforcements }),
      {
        maxLength: 40,
        size: 'max',
      },
    )
    holds(offers, all => {
      const overlays = new Overlays()
      const gate = overlayGate(overlays, '@overlays')
      const published = new Map<string, number>()
      let position = 0
      for (const { name, version, enforce } of all) {
        const change = publication(name, version, { enforce })
        const isNext = version === (published.get(name) ?? 0) + 1
        expect(outcome(() => gate.check(change))).toBe(isNext ? undefined : 'WEFT_OVERLAY_VERSION')
        if (!isNext) continue
        gate.admitted(change, ++position)
        published.set(name, version)
        expect(overlays.get(name)).toMatchObject({ version, enforce, position })
      }
      expect(overlays.list().map(({ name, version }) => [name, version])).toEqual([...published])
    })
  })

  test.each([
    ['on another branch', { branch: 'side' }],
    ['of another kind', { kinds: ['message'] }],
    ['with two entries', { kinds: ['weft.overlay', 'weft.overlay'], values: [1, 2] }],
    ['that writes something else', { writes: ['overlay:other@1'] }],
    ['that writes more', { writes: ['overlay:house@1', 'overlay:house@2'] }],
    ['that publishes nothing', { notes: {} }],
  ])('refuses what is %s', (_, lie) => {
    const overlays = new Overlays()
    const change = publication('house', 1, {}, lie)
    expect(outcome(() => overlayGate(overlays, '@overlays').check(change))).toBe('WEFT_OVERLAY_INVALID')
  })

  it('refuses one overlay too many, and then still takes versions of those that there are', () => {
    const overlays = new Overlays()
    const gate = overlayGate(overlays, '@overlays')
    for (let n = 1; n <= 64; n++) gate.admitted(publication(`o${n}`, 1), n)
    expect(outcome(() => gate.check(publication('o65', 1)))).toBe('WEFT_LIMIT')
    expect(outcome(() => gate.check(publication('o64', 2)))).toBeUndefined()
  })

  test.each([
    [{ publishes: { name: 'a b', version: 1, enforce: 'commit' } }],
    [{ publishes: { name: '__proto__', version: 1, enforce: 'commit' } }],
    [{ publishes: { name: 'constructor', version: 1, enforce: 'commit' } }],
    [{ publishes: { name: 'house', version: 0, enforce: 'commit' } }],
    [{ publishes: { name: 'house', version: 1.5, enforce: 'commit' } }],
    [{ publishes: { name: 'house', version: 1, enforce: 'always' } }],
    [{ publishes: 'house' }],
    [{ overlays: { house: 0 } }],
    [{ overlays: { house: '1' } }],
    [{ overlays: { toString: 1 } }],
    [{ overlays: [1] }],
    [{ overlays: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`o${n}`, 1])) }],
  ])('[CHG-5] a header with the notes %j cannot be read', notes => {
    const seal = () => publication('house', 1, {}, { notes: notes as never })
    expect(refusal(seal).message).toMatch(/publishes|overlays/)
  })
})

describe('[OVL-3] a step is committed', () => {
  it('only under versions no older than the last that was published to be enforced at commits', () => {
    const runs = fc.record({
      published: fc.array(fc.record({ name: names, enforce: enforcements }), { maxLength: 20, size: 'max' }),
      under: fc.dictionary(names, fc.integer({ min: 1, max: 6 })),
    })
    holds(
      runs,
      ({ published, under }) => {
        const overlays = new Overlays()
        const versions = new Map<string, number>()
        const required = new Map<string, number>()
        for (const [at, { name, enforce }] of published.entries()) {
          const version = (versions.get(name) ?? 0) + 1
          versions.set(name, version)
          if (enforce === 'commit') required.set(name, version)
          overlays.add(publication(name, version, { enforce }).header, at + 1)
        }
        const mayCommit = [...required].every(([name, least]) => (under[name] ?? 0) >= least)
        const refused = outcome(() => overlayGate(overlays, 'w').check(stepUnder(under)))
        expect(refused).toBe(mayCommit ? undefined : 'WEFT_OVERLAY_STALE')
      },
      1_000,
    )
  })

  it('whatever is in force if it says nothing of overlays: it does not follow them', () => {
    const overlays = new Overlays()
    overlays.add(publication('house', 1).header, 1)
    const change = publication('house', 1, {}, { notes: { step: 'think' } })
    expect(outcome(() => overlayGate(overlays, 'w').check(change))).toBeUndefined()
  })

  it('not at all while the log of overlays cannot be read', () => {
    const overlays = new Overlays(Object.assign(new Error('damaged'), { code: 'WEFT_STORE_CORRUPT' }))
    expect(() => overlayGate(overlays, 'w').check(stepUnder({}))).toThrow('damaged')
  })
})

describe('[OVL-2] that what is known is current', () => {
  it('may be relied on for its time, and only by who knew all of it', () => {
    const leases = new OverlayLeases(10, 0)
    expect(leases.confirm(1, 'a', 2, 3, 100)).toBe(0)
    expect(leases.behind(3, 100)).toEqual([])
    expect(leases.confirm(1, 'a', 3, 3, 100)).toBe(10)
    expect(leases.behind(4, 109)).toEqual([{ name: 'a', position: 3, until_ms: 110 }])
    expect(leases.confirm(1, 'a', 3, 4, 105)).toBe(0)
    expect(leases.behind(4, 109)).toEqual([{ name: 'a', position: 3, until_ms: 110 }])
    expect(leases.behind(4, 110)).toEqual([])
  })

  it('is relied on by nobody who has left, and by whom an earlier peer told it, for as long', () => {
    const leases = new OverlayLeases(10, 0)
    leases.confirm(1, 'a', 0, 0, 5)
    expect(leases.behind(1, 9).map(({ name }) => name)).toEqual([expect.stringMatching(/before/), 'a'])
    expect(leases.lastUntil_ms).toBe(15)
    leases.leave(1)
    expect(leases.behind(1, 9)).toHaveLength(1)
    expect(leases.behind(1, 10)).toEqual([])
  })
})

describe('[OVL-2] [STP-2] what a context embeds', () => {
  it('is the newest version of each overlay that a visible change was written under', () => {
    const history = fc.array(fc.dictionary(names, fc.integer({ min: 1, max: 5 })), { maxLength: 12 })
    holds(fc.tuple(history, fc.dictionary(names, fc.integer({ min: 1, max: 5 }))), ([written, inForce]) => {
      const set = new ChangeSet(sha256)
      const writer = new BranchWriter(set, seededHost(3), 'main', 'a')
      for (const overlays of written)
        writer.write({ entries: [{ kind: 'note', value: 1 }], notes: { overlays } })
      const expected: Record<string, number> = {}
      for (const name of Object.keys(inForce)) {
        const newest = Math.max(0, ...written.map(overlays => overlays[name] ?? 0))
        if (newest > 0) expected[name] = newest
      }
      const embedded = embeddedOverlays(set, set.view('main'), inForce)
      for (const [name, version] of Object.entries(inForce)) {
        const told = embedded[name] ?? 0
        // It stops looking once it has found what is in force: newer ones than that are of no concern.
        expect(Math.min(told, version)).toBe(Math.min(expected[name] ?? 0, version))
      }
    })
  })
})

describe('[OVL-3] after a barrier', () => {
  it.each<Enforcement>([
    'commit',
    'step',
  ])(`no step is begun under an older version in ${RACES} races, nor, with %s, committed`, enforce => {
    const broken: object[] = []
    let committed = 0
    let barriers = 0
    let refused = 0
    for (let race = 0; race < RACES; race++) {
      const world = new OverlayWorld(seededDice(race), 2, enforce)
      for (let turn = 0; turn < 150; turn++) world.turn()
      for (const each of world.broken) broken.push({ race, ...each })
      committed += world.committed
      barriers += world.barriers
      refused += world.refused
    }
    expect(broken).toEqual([])
    expect(Math.min(committed, barriers)).toBeGreaterThan(RACES / 2)
    if (enforce === 'commit') expect(refused).toBeGreaterThan(RACES / 20)
  })
})
