import { Admission, BranchWriter, type Change, ChangeSet, decodeChange, type HeaderNotes } from '@weft/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf, forged, refusal } from '../support/core-forge.ts'
import { comesUp, holds, seededHost, sha256 } from '../support/core-property.ts'

const ON = 'branch:main'
const NOTHING_EXPECTED = { heads: [], unmoved: [] }
const nat = fc.nat(0xffff)

/** What a lease is, written from the law: who has it under which number, and until when. */
interface Model {
  epoch: number
  holder: number | undefined
  until: number
}

const acts = fc.record({
  seed: nat,
  acts: fc.array(
    fc.record({
      worker: fc.nat(2),
      do: fc.constantFrom('ask', 'write', 'write', 'write bare', 'give back', 'renew', 'wait', 'restart'),
      length: fc.integer({ min: 1, max: 50 }),
    }),
    { minLength: 1, maxLength: 40, size: 'max' },
  ),
})

/** A peer's log and three workers, each with the epoch that it was granted last. */
class Scene {
  admission = new Admission(sha256)
  readonly log: Change[] = []
  readonly granted = [0, 0, 0]
  now = 1_000
  readonly #host

  constructor(seed: number) {
    this.#host = seededHost(seed)
  }

  /** Offers a change of a worker that has seen all of the log; whether it was taken, and if not, by which code. */
  offer(worker: number, notes: HeaderNotes, proposed: boolean): string {
    const set = new ChangeSet(sha256)
    for (const change of this.log) set.add(decodeChange(change.bytes, sha256))
    const writer = new BranchWriter(set, this.#host, 'main', `worker-${worker}`)
    const change = writer.write({ entries: [{ kind: 'note', value: worker }], notes })!
    writer.state.free()
    const before = this.admission.dag.size
    try {
      this.admission.admit(change, this.now, proposed ? NOTHING_EXPECTED : undefined)
      this.log.push(change)
      return 'taken'
    } catch (error) {
      expect(this.admission.dag.size).toBe(before)
      return (error as { code: string }).code
    }
  }

  restart(): void {
    this.admission = new Admission(sha256)
    for (const change of this.log) this.admission.restore(change, this.now)
  }
}

describe('[HND-3] leases', () => {
  it('let one holder write at a time, and nobody ever under an older epoch', () => {
    const seen = new Map<string, number>()
    holds(
      acts,
      ({ seed, acts: plan }) => {
        const scene = new Scene(seed)
        const model: Model = { epoch: 0, holder: undefined, until: 0 }
        /** After a restart nobody knows whether the holder is there until it says so. */
        let heard = true
        for (const { worker, do: what, length } of plan) {
          const runs = model.holder !== undefined && scene.now < model.until
          const mine = scene.granted[worker]!
          const current = mine > 0 && mine === model.epoch
          const under = { under: { [ON]: mine } }
          let answer = ''
          let due = ''
          switch (what) {
            case 'ask':
              answer = scene.offer(
                worker,
                { lease: { on: ON, epoch: model.epoch + 1, ttl_ms: length } },
                true,
              )
              due = runs ? 'WEFT_LEASE_HELD' : 'taken'
              if (due !== 'taken') break
              Object.assign(model, { epoch: model.epoch + 1, holder: worker, until: scene.now + length })
              scene.granted[worker] = model.epoch
              heard = true
              break
            case 'write':
              if (mine === 0) break
              answer = scene.offer(worker, under, false)
              due = current ? 'taken' : 'WEFT_LEASE_LOST'
              break
            case 'write bare':
              answer = scene.offer(worker, {}, false)
              due = runs && heard ? 'WEFT_LEASE_HELD' : 'taken'
              break
            case 'give back':
              if (mine === 0) break
              answer = scene.offer(worker, { lease: { on: ON, epoch: mine, ttl_ms: 0 } }, true)
              due = current ? 'taken' : 'WEFT_LEASE_LOST'
              if (current) model.holder = undefined
              break
            case 'renew': {
              if (mine === 0) break
              const ttl_ms = scene.admission.leases.get(ON)!.ttl_ms
              answer = codeOrOk(() => scene.admission.leases.renew(ON, mine, scene.now))
              due = current && model.holder !== undefined ? 'ok' : 'WEFT_LEASE_LOST'
              if (due !== 'ok') break
              model.until = scene.now + ttl_ms
              heard = true
              break
            }
            case 'wait':
              scene.now += length
              break
            default: {
              const ttl_ms = scene.admission.leases.get(ON)?.ttl_ms ?? 0
              scene.restart()
              heard = false
              model.until = scene.now + ttl_ms
            }
          }
          expect(answer, what).toBe(due)
          seen.set(`${what}: ${answer}`, (seen.get(`${what}: ${answer}`) ?? 0) + 1)
        }
      },
      300,
    )
    for (const each of ['ask: WEFT_LEASE_HELD', 'write: WEFT_LEASE_LOST', 'write: taken', 'renew: ok']) {
      comesUp(seen.get(each) ?? 0, 20, each)
    }
  })

  it('are history when they are offered again: they fence, and keep nobody waiting', () => {
    const scene = new Scene(1)
    expect(scene.offer(0, { lease: { on: ON, epoch: 1, ttl_ms: 3_600_000 } }, false)).toBe('taken')
    expect(scene.offer(1, { lease: { on: ON, epoch: 2, ttl_ms: 3_600_000 } }, false)).toBe('taken')
    expect(scene.offer(0, { under: { [ON]: 1 } }, false)).toBe('WEFT_LEASE_LOST')
    expect(scene.offer(0, {}, false)).toBe('taken')
  })

  it('refuse an epoch that is not the next, and a ref that the change does not write', () => {
    const scene = new Scene(2)
    expect(scene.offer(0, { lease: { on: ON, epoch: 2, ttl_ms: 10 } }, true)).toBe('WEFT_LEASE_LOST')
    expect(scene.offer(0, { under: { [ON]: 1 } }, false)).toBe('WEFT_LEASE_LOST')
    expect(scene.offer(0, { lease: { on: 'branch:other', epoch: 1, ttl_ms: 10 } }, true)).toBe(
      'WEFT_LEASE_INVALID',
    )
    expect(scene.offer(0, { lease: { on: ON, epoch: 1, ttl_ms: 10 } }, true)).toBe('taken')
  })

  it('that are final are never had again', () => {
    const scene = new Scene(3)
    expect(scene.offer(0, { lease: { on: ON, epoch: 1, ttl_ms: 0, final: true } }, true)).toBe('taken')
    for (const epoch of [1, 2]) {
      expect(scene.offer(1, { lease: { on: ON, epoch, ttl_ms: 10 } }, true)).toBe('WEFT_LEASE_ENDED')
    }
    scene.restart()
    expect(scene.offer(1, { lease: { on: ON, epoch: 2, ttl_ms: 10 } }, true)).toBe('WEFT_LEASE_ENDED')
  })

  it.each<[string, unknown]>([
    ['a ref that is none', { lease: { on: 7, epoch: 1, ttl_ms: 1 } }],
    ['no epoch', { lease: { on: ON, ttl_ms: 1 } }],
    ['epoch 0', { lease: { on: ON, epoch: 0, ttl_ms: 1 } }],
    ['a negative length', { lease: { on: ON, epoch: 1, ttl_ms: -1 } }],
    ['a length in a final one', { lease: { on: ON, epoch: 1, ttl_ms: 5, final: true } }],
    ['epochs that are not a map', { under: [1] }],
    ['an epoch that is no number', { under: { [ON]: 'one' } }],
    [
      'too many epochs',
      { under: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`effect:${i}`, 1])) },
    ],
  ])('[CHG-5] a header with %s cannot be read', (_, notes) => {
    const set = new ChangeSet(sha256)
    const change = new BranchWriter(set, seededHost(4), 'main', 'worker').write({
      entries: [{ kind: 'note', value: 1 }],
    })!
    expect(refusal(() => forged(change, { notes: notes as HeaderNotes })).message).toMatch(/lease|under/)
  })
})

function codeOrOk(act: () => void): string {
  let ok = false
  const code = (): string =>
    codeOf(() => {
      act()
      ok = true
    })
  try {
    return code()
  } catch (error) {
    if (ok) return 'ok'
    throw error
  }
}
