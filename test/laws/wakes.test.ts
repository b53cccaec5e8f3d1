import {
  Admission,
  BranchWriter,
  type Change,
  ChangeSet,
  checkFilter,
  decodeChange,
  type EventRange,
  type Filter,
  fromHex,
  type HeaderNotes,
  nextRange,
  sealChange,
  WAKES_BRANCH,
  wakeNote,
  wakeRef,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf, draftOf, forged, refusal } from '../support/core-forge.ts'
import { comesUp, holds, seededHost, sha256 } from '../support/core-property.ts'

const NAME = 'pool'
const ON = wakeRef(NAME)
const NOTHING_EXPECTED = { heads: [], unmoved: [] }
const WHOLE = { events_max: 1_000_000, bytes_max: Number.MAX_SAFE_INTEGER }
const nat = fc.nat(0xffff)

const acts = fc.record({
  seed: nat,
  acts: fc.array(
    fc.record({
      worker: fc.nat(3),
      do: fc.constantFrom(
        'write',
        'write',
        'write other',
        'claim',
        'claim',
        'ack',
        'ack',
        'die',
        'wait',
        'wait',
        'restart',
      ),
      amount: fc.integer({ min: 1, max: 40 }),
    }),
    { minLength: 1, maxLength: 60, size: 'max' },
  ),
})

interface Claimed extends EventRange {
  readonly epoch: number
}

/** The log of a peer, and workers that know all of it. */
class Scene {
  admission = new Admission(sha256)
  set = new ChangeSet(sha256)
  log: Change[] = []
  now = 1_000
  readonly #host

  constructor(seed: number) {
    this.#host = seededHost(seed)
  }

  write(kind: string, notes?: HeaderNotes): string {
    return this.#offer('main', { entries: [{ kind, value: this.log.length }], ...(notes && { notes }) })
  }

  define(filter: Filter, from = 1): string {
    const last = fromHex(this.log[from - 2]?.id ?? '')
    const lease = { on: ON, epoch: this.epoch + 1, ttl_ms: 0 }
    return this.note({ lease, wake: wakeNote(from - 1, last, filter) })
  }

  note(notes: HeaderNotes): string {
    return this.#offer(WAKES_BRANCH, { writes: [ON], notes })
  }

  ack({ epoch, to }: Claimed): string {
    const wake = wakeNote(to, fromHex(this.log[to - 1]!.id))
    return this.note({ lease: { on: ON, epoch, ttl_ms: 0 }, wake })
  }

  get epoch(): number {
    return this.admission.leases.get(ON)?.epoch ?? 0
  }

  get acknowledged(): number {
    return this.set.wakes.acknowledged(NAME, position => this.log[position - 1]?.id)
  }

  next(events_max: number): EventRange | undefined {
    const { log } = this
    const reader = { position: log.length, changeAt: (position: number) => log[position - 1]! }
    return nextRange(reader, this.acknowledged, this.set.wakes.filterOf(NAME)!, { ...WHOLE, events_max })
  }

  restart(): void {
    this.admission = new Admission(sha256)
    for (const change of this.log) this.admission.restore(change, this.now)
  }

  /** The log loses all after `kept`, and is offered it again in another order. */
  roll(kept: number, order: (lost: Change[]) => Change[]): void {
    const lost = this.log.splice(kept)
    this.restart()
    for (const change of order(lost)) {
      this.admission.admit(change, this.now)
      this.log.push(change)
    }
  }

  #offer(branch: string, write: Parameters<BranchWriter['write']>[0]): string {
    const seen = new ChangeSet(sha256)
    for (const change of this.set.changes()) seen.add(change)
    const writer = new BranchWriter(seen, this.#host, branch, 'worker')
    const change = writer.write(write)!
    writer.state.free()
    const before = this.admission.dag.size
    try {
      this.admission.admit(change, this.now, NOTHING_EXPECTED)
    } catch (error) {
      expect(this.admission.dag.size).toBe(before)
      return (error as { code: string }).code
    }
    this.log.push(change)
    this.set.add(decodeChange(change.bytes.slice(), sha256))
    return 'taken'
  }
}

describe('[WAK-1] a subscription', () => {
  it('gives each event to some claimant until one acknowledges it, and never to two under one epoch', () => {
    const seen = new Map<string, number>()
    holds(
      acts,
      ({ seed, acts: plan }) => {
        const scene = new Scene(seed)
        // Written from the law: what happened, who has claimed it until when, and how far it is acknowledged.
        const due: number[] = []
        const handled = new Set<number>()
        const claimantOf = new Map<number, number>()
        const claims: (Claimed | undefined)[] = []
        let [acked, until, ttl_ms] = [0, 0, 0]
        let holder: number | undefined
        expect(scene.define({ kinds: ['wanted'] })).toBe('taken')
        const next = (max: number) => {
          const open = due.filter(position => position > acked)
          const end = open[max]
          return open.length === 0
            ? undefined
            : { positions: open.slice(0, max), to: end === undefined ? scene.log.length : end - 1 }
        }
        for (const { worker, do: what, amount } of plan) {
          let answer = ''
          switch (what) {
            case 'write':
              expect(scene.write('wanted')).toBe('taken')
              due.push(scene.log.length)
              break
            case 'write other':
              expect(scene.write('other')).toBe('taken')
              break
            case 'claim': {
              if (next(1) === undefined) {
                expect(scene.next(1), 'there is nothing to claim').toBeUndefined()
                break
              }
              const epoch = scene.epoch + 1
              answer = scene.note({ lease: { on: ON, epoch, ttl_ms: amount } })
              const isHeld = holder !== undefined && scene.now < until
              expect(answer).toBe(isHeld ? 'WEFT_LEASE_HELD' : 'taken')
              if (isHeld) break
              const wanted = next(amount)!
              const range = scene.next(amount)!
              expect(range).toMatchObject({ from: acked + 1, to: wanted.to })
              expect(range.events.map(({ position }) => position)).toEqual(wanted.positions)
              expect(claimantOf.has(epoch)).toBe(false)
              claimantOf.set(epoch, worker)
              claims[worker] = { ...range, epoch }
              ;[holder, until, ttl_ms] = [worker, scene.now + amount, amount]
              break
            }
            case 'ack': {
              const claim = claims[worker]
              if (claim === undefined) break
              for (const { position } of claim.events) handled.add(position)
              answer = scene.ack(claim)
              // One that comes late counts as long as nobody has claimed anew.
              const isCurrent = claim.epoch === Math.max(...claimantOf.keys())
              expect(answer).toBe(isCurrent ? 'taken' : 'WEFT_LEASE_LOST')
              if (isCurrent) [acked, holder] = [claim.to, undefined]
              claims[worker] = undefined
              break
            }
            case 'die':
              claims[worker] = undefined
              break
            case 'wait':
              scene.now += amount
              break
            default:
              scene.restart()
              until = scene.now + ttl_ms
          }
          expect(scene.acknowledged, what).toBe(acked)
          seen.set(`${what} ${answer}`, (seen.get(`${what} ${answer}`) ?? 0) + 1)
        }
        for (const position of due) {
          if (position <= acked) expect(handled.has(position), `event ${position}`).toBe(true)
        }
      },
      150,
    )
    for (const each of ['claim WEFT_LEASE_HELD', 'claim taken', 'ack taken', 'ack WEFT_LEASE_LOST']) {
      comesUp(seen.get(each) ?? 0, 10, each)
    }
  })

  it('is not woken by what is written to keep it, nor by leases of others', () => {
    const scene = new Scene(1)
    scene.define({})
    expect(scene.next(1)).toBeUndefined()
    scene.note({ lease: { on: ON, epoch: 2, ttl_ms: 0 } })
    scene.note({ lease: { on: `branch:${WAKES_BRANCH}`, epoch: 1, ttl_ms: 10 } })
    expect(scene.next(1)).toBeUndefined()
    scene.write('note', { lease: { on: 'branch:main', epoch: 1, ttl_ms: 0 } })
    expect(scene.next(1)).toMatchObject({ from: 1, to: scene.log.length, events: [{ kinds: ['note'] }] })
  })

  it('defined anew forgets how far it was, and no claim from before can be acknowledged', () => {
    const scene = new Scene(2)
    scene.define({})
    for (const _ of [1, 2, 3]) scene.write('note')
    scene.note({ lease: { on: ON, epoch: 2, ttl_ms: 10 } })
    const claim = { ...scene.next(1)!, epoch: 2 }
    expect(scene.define({ kinds: ['note'] })).toBe('WEFT_LEASE_HELD')
    scene.now += 10
    expect(scene.define({ kinds: ['note'] }, 4)).toBe('taken')
    expect(scene.acknowledged).toBe(3)
    expect(scene.ack(claim)).toBe('WEFT_LEASE_LOST')
    expect(scene.next(9)!.events.map(({ position }) => position)).toEqual([4])
    scene.note({ lease: { on: ON, epoch: 4, ttl_ms: 10 } })
    expect(scene.ack({ ...scene.next(9)!, epoch: 4 })).toBe('taken')
    expect(scene.define({})).toBe('taken')
    expect(scene.acknowledged, 'it begins anew').toBe(0)
  })

  it('[DUR-5] tells again what a log that came back otherwise may not have acknowledged', () => {
    const scene = new Scene(3)
    scene.define({})
    scene.write('first')
    scene.note({ lease: { on: ON, epoch: 2, ttl_ms: 10 } })
    expect(scene.ack({ ...scene.next(9)!, to: 2, epoch: 2 })).toBe('taken')
    scene.write('second')
    scene.note({ lease: { on: ON, epoch: 3, ttl_ms: 10 } })
    expect(scene.ack({ ...scene.next(9)!, epoch: 3 })).toBe('taken')
    expect(scene.acknowledged).toBe(6)
    const kept = scene.log.length
    scene.roll(kept, lost => lost)
    expect(scene.acknowledged, 'nothing was lost').toBe(6)
    scene.roll(4, lost => [lost.at(-2)!, lost.at(-1)!, ...lost.slice(0, -2)])
    expect(scene.log.map(({ header }) => header.kinds[0])).toEqual([
      undefined,
      'first',
      undefined,
      undefined,
      undefined,
      undefined,
      'second',
    ])
    expect(scene.acknowledged, 'position 6 is another one now').toBe(2)
    expect(scene.next(9)!.events.map(({ kinds }) => kinds[0])).toEqual(['second'])
  })

  it('is the same, in whatever order its changes came', () => {
    const scene = new Scene(4)
    scene.define({})
    scene.write('note')
    scene.note({ lease: { on: ON, epoch: 2, ttl_ms: 10 } })
    scene.ack({ ...scene.next(9)!, epoch: 2 })
    scene.define({ branches: ['main'] }, 2)
    const headers = scene.log.map(({ header }) => header)
    const { wakes: reversed } = new ChangeSet(sha256)
    for (const header of headers.reverse()) reversed.add(header)
    expect(reversed.filterOf(NAME)).toEqual(scene.set.wakes.filterOf(NAME))
    expect(reversed.acknowledged(NAME, position => scene.log[position - 1]?.id)).toBe(scene.acknowledged)
  })

  it('cannot be acknowledged up to what the log has not reached, or for another change than stands there', () => {
    const scene = new Scene(5)
    scene.define({})
    scene.write('note')
    const { id } = scene.log[1]!
    const lease = { on: ON, epoch: 2, ttl_ms: 0 }
    expect(scene.note({ lease, wake: wakeNote(3, fromHex(id)) })).toBe('WEFT_POSITION_UNKNOWN')
    expect(scene.note({ lease, wake: wakeNote(1, fromHex(id)) })).toBe('WEFT_POSITION_UNKNOWN')
    expect(scene.note({ lease, wake: wakeNote(2, fromHex(id)) })).toBe('taken')
  })

  it('takes as many events as fit, and the first whatever its size', () => {
    const scene = new Scene(6)
    scene.define({})
    for (const _ of [1, 2, 3]) scene.write('note')
    const reader = { position: 4, changeAt: (position: number) => scene.log[position - 1]! }
    const positions = (bytes_max: number) =>
      nextRange(reader, 0, {}, { ...WHOLE, bytes_max })!.events.map(({ position }) => position)
    expect(positions(1)).toEqual([2])
    expect(positions(scene.log[1]!.bytes.length + scene.log[2]!.bytes.length)).toEqual([2, 3])
  })
})

describe('[WAK-1] a filter', () => {
  const scene = new Scene(7)
  scene.write('note')
  const [plain] = scene.log

  it.each<[string, Filter, Partial<Parameters<typeof sealChange>[0]>, boolean]>([
    ['a pointer below one that it names', { refs: ['state:/a'] }, { writes: ['state:/a/b'] }, true],
    ['a pointer above it', { refs: ['state:/a/b'] }, { writes: ['state:/a'] }, true],
    ['a pointer beside it', { refs: ['state:/a/b'] }, { writes: ['state:/a/c'] }, false],
    ['another version of something outside', { refs: ['ext:doc/1'] }, { writes: ['ext:doc/1@v2'] }, true],
    ['a kind', { kinds: ['note', 'other'] }, {}, true],
    ['another kind', { kinds: ['other'] }, {}, false],
    ['a branch', { branches: ['side'] }, { branch: 'side' }, true],
    ['another branch', { branches: ['side'] }, {}, false],
    ['one of two lists', { branches: ['main'], kinds: ['other'] }, {}, false],
    ['an entry of the engine', {}, { kinds: ['weft.effect'] }, false],
    ['one that it asks for', { kinds: ['weft.effect'] }, { kinds: ['weft.effect'] }, true],
  ])('of %s', (_, filter, lie, due) => {
    const change = forged(plain!, lie)
    const reader = { position: 1, changeAt: () => change }
    expect(nextRange(reader, 0, checkFilter(filter), WHOLE) !== undefined).toBe(due)
  })

  it.each<[string, unknown]>([
    ['text', 'all'],
    ['a list', []],
    ['null', null],
    ['an empty list of kinds', { kinds: [] }],
    ['a kind that is no id', { kinds: ['a b'] }],
    ['a kind that is no text', { kinds: [7] }],
    ['a branch that is no id', { branches: ['a/b'] }],
    ['a ref that is none', { refs: ['nowhere'] }],
    ['a pointer that is none', { refs: ['state:a'] }],
    ['something unknown', { agents: ['planner'] }],
    ['something inherited', { toString: ['x'] }],
    ['too many kinds', { kinds: Array.from({ length: 65 }, (_, i) => `k${i}`) }],
  ])('that is %s is refused', (_, filter) => {
    expect(codeOf(() => checkFilter(filter))).toBe('WEFT_FILTER_INVALID')
  })
})

describe('[CHG-5] a header cannot be read whose wake note', () => {
  const scene = new Scene(8)
  scene.write('note')
  const lease = { on: ON, epoch: 1, ttl_ms: 0 }
  const last = new Uint8Array(32)
  it.each<[string, unknown]>([
    ['gives no lease back', { wake: { upTo: 1, last } }],
    ['takes a lease', { wake: { upTo: 1, last }, lease: { ...lease, ttl_ms: 1 } }],
    ['is of a branch', { wake: { upTo: 1, last }, lease: { ...lease, on: 'branch:main' } }],
    ['is no map', { wake: 7, lease }],
    ['has no position', { wake: { last }, lease }],
    ['has a negative position', { wake: { upTo: -1, last }, lease }],
    ['has half a position', { wake: { upTo: 1.5, last }, lease }],
    ['names no change', { wake: { upTo: 1, last: new Uint8Array(0) }, lease }],
    ['names a change at 0', { wake: { upTo: 0, last }, lease }],
    ['names a change by its text', { wake: { upTo: 1, last: 'a'.repeat(32) }, lease }],
    ['has a filter that is none', { wake: { upTo: 1, last, filter: { kinds: [] } }, lease }],
  ])('%s', (_, notes) => {
    const draft = { ...draftOf(scene.log[0]!), notes: notes as HeaderNotes }
    expect(refusal(() => sealChange(draft, seededHost(1))).message).toMatch(/wake|filter/)
  })
})
