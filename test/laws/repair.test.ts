import {
  BranchWriter,
  ChangeSet,
  decodeChange,
  EMPTY_LOG,
  extendRunningHash,
  type LogRecord,
} from '@weft/core'
import { type Offer, planRepair, type RepairPlan, soundBeginning } from '@weft/cli'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { holds, pickSome, seededHost, sha256 } from '../support/core-property.ts'

/** A log of `count` changes that shares its first `from.length` with another one. */
function logFrom(seed: number, from: readonly LogRecord[], count: number): LogRecord[] {
  const host = seededHost(seed)
  const set = new ChangeSet(sha256)
  for (const { bytes } of from) set.add(decodeChange(bytes, sha256))
  const writers = ['a', 'b'].map(agent => new BranchWriter(set, host, 'main', agent))
  const log = [...from]
  while (log.length < count) {
    const { id, bytes } = writers[log.length % 2]!.write({ entries: [{ kind: 'n', value: log.length }] })!
    log.push({ position: log.length + 1, id, bytes })
  }
  return log
}

const TRUE_LOG = logFrom(1, [], 10)
const FOREIGN = Array.from({ length: 10 }, (_, shared) => logFrom(2 + shared, TRUE_LOG.slice(0, shared), 10))
const HEAD = {
  workflow: 'w',
  count: TRUE_LOG.length,
  heads: [],
  runningHash: extendRunningHash(
    sha256,
    EMPTY_LOG,
    TRUE_LOG.map(({ id }) => id),
  ),
}

const mask = fc.nat(2 ** 10 - 1)
const truths = fc.array(
  mask.map(bits => ({ name: 'true', records: pickSome(TRUE_LOG, bits) })),
  { maxLength: 3 },
)
const foreigners = fc.array(
  fc
    .tuple(fc.nat(9), mask)
    .map(([shared, bits]) => ({ name: 'foreign', records: pickSome(FOREIGN[shared]!, bits) })),
  { maxLength: 2 },
)
const cases = fc.record({ left: mask, truths, foreigners, foreignFirst: fc.boolean() })

interface Case {
  readonly sound: LogRecord[]
  readonly offers: Offer[]
}

function made({
  left,
  truths,
  foreigners,
  foreignFirst,
}: typeof cases extends fc.Arbitrary<infer T> ? T : never): Case {
  const offers = foreignFirst ? [...foreigners, ...truths] : [...truths, ...foreigners]
  return { sound: pickSome(TRUE_LOG, left), offers }
}

function idsOf(records: readonly LogRecord[]): string[] {
  return records.map(({ position, id }) => `${position} ${id}`)
}

/** Each change after all that it depends on, and its author's seqs one by one: looked up the slow way. */
function isCausal(records: readonly LogRecord[]): boolean {
  return records.every((record, index) => {
    const set = new ChangeSet(sha256)
    try {
      for (const { bytes } of records.slice(0, index + 1)) set.add(decodeChange(bytes, sha256))
    } catch {
      return false
    }
    return record.position === index + 1
  })
}

function checkShape(
  plan: RepairPlan,
  sound: readonly LogRecord[],
  offers: readonly Offer[],
  count: number,
): void {
  const known = new Set(idsOf([...sound, ...offers.flatMap(({ records }) => records)]))
  expect(idsOf(plan.records).filter(each => !known.has(each))).toEqual([])
  expect(plan.kept + plan.filled.length).toBe(plan.records.length)
  const positions = [...plan.records.map(({ position }) => position), ...plan.missing]
  expect(positions.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index + 1))
  const beginning = soundBeginning(plan)
  expect(isCausal(beginning)).toBe(true)
  expect(idsOf(beginning)).toEqual(idsOf(plan.records.slice(0, beginning.length)))
  if (plan.wanting === undefined) expect(beginning).toHaveLength(count)
}

test('[DUR-4] with a sound head, a repaired context is what was sealed or it is wanting; what is sound stays in its place', () => {
  holds(
    cases,
    given => {
      const { sound, offers } = made(given)
      const plan = planRepair({ head: HEAD, records: sound }, offers)
      checkShape(plan, sound, offers, TRUE_LOG.length)
      const kept = new Set(idsOf(plan.records))
      expect(idsOf(sound).every(each => kept.has(each))).toBe(true)
      if (plan.wanting === undefined) expect(idsOf(plan.records)).toEqual(idsOf(TRUE_LOG))
    },
    1_000,
  )
})

test('[DUR-4] what the true log still has somewhere is filled in, whatever others say who disagree with what is left', () => {
  holds(
    cases,
    given => {
      const { sound, offers } = made({ ...given, foreigners: [] })
      const somewhere = new Set(idsOf([...sound, ...offers.flatMap(({ records }) => records)]))
      const plan = planRepair({ head: HEAD, records: sound }, offers)
      expect(plan.wanting === undefined).toBe(somewhere.size === TRUE_LOG.length)
      expect(idsOf(plan.records)).toEqual(idsOf(TRUE_LOG).filter(each => somewhere.has(each)))
      expect(plan.disagreeing).toEqual([])
      const whole = { name: 'whole', records: TRUE_LOG }
      const withWhole = planRepair({ head: HEAD, records: sound }, [...made(given).offers, whole])
      expect(withWhole.wanting).toBeUndefined()
    },
    500,
  )
})

test('[DUR-4] without its head, all that is sound stays, and what is whole is gapless and causal', () => {
  holds(
    cases,
    given => {
      const { sound, offers } = made(given)
      const plan = planRepair({ head: undefined, records: sound }, offers)
      const last = plan.records.at(-1)?.position ?? 0
      checkShape(plan, sound, offers, last)
      const kept = new Set(idsOf(plan.records))
      expect(idsOf(sound).every(each => kept.has(each))).toBe(true)
      const taken = new Set(idsOf(plan.records))
      for (const { name, position } of plan.disagreeing) {
        const theirs = offers.filter(offer => offer.name === name).flatMap(offer => offer.records)
        const there = theirs.filter(record => record.position === position)
        expect(idsOf(there).some(each => !taken.has(each))).toBe(true)
      }
    },
    500,
  )
})

test('[DUR-4] of an offer nothing is taken from where it disagrees with what is there', () => {
  holds(fc.tuple(mask, fc.nat(9), mask), ([left, shared, bits]) => {
    const sound = pickSome(TRUE_LOG, left)
    const offer = { name: 'foreign', records: pickSome(FOREIGN[shared]!, bits) }
    const differs = offer.records.find(({ position, id }) =>
      sound.some(record => record.position === position && record.id !== id),
    )
    const before = offer.records.filter(
      ({ position }) => differs === undefined || position < differs.position,
    )
    const expected = new Set(idsOf([...sound, ...before]))
    const plan = planRepair({ head: undefined, records: sound }, [offer])
    expect(new Set(idsOf(plan.records))).toEqual(expected)
    expect(plan.disagreeing).toEqual(differs ? [{ name: 'foreign', position: differs.position }] : [])
  })
})

test('[DUR-4] a sound change that is not the one that was sealed gives way to a log that the seal proves', () => {
  const odd = TRUE_LOG.with(4, FOREIGN[4]![4]!)
  const alone = planRepair({ head: HEAD, records: odd }, [])
  expect(alone.wanting).toBeDefined()
  const plan = planRepair({ head: HEAD, records: odd }, [{ name: 'backup', records: TRUE_LOG }])
  expect(plan).toMatchObject({ wanting: undefined, kept: 9, filled: [5] })
})
