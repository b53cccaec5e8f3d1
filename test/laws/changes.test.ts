import {
  BranchWriter,
  type Change,
  ChangeSet,
  decodeChange,
  digest,
  encodeUtf8,
  type ErrorCode,
  fromHex,
  Intake,
  isWeftError,
  LIMITS,
  toHex,
  type Write,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  codeOf,
  type Draft,
  draftOf,
  forged,
  framed,
  frameOf,
  packed,
  refusal,
} from '../support/core-forge.ts'
import { deliver, deliveries, histories, replicaOf } from '../support/core-history.ts'
import { hexSha256, holds, pick, seededDice, seededHost, sha256, shuffled } from '../support/core-property.ts'

test('[CHG-1] the id is the hash of the header, and the header names the hash of each part', () => {
  holds(histories({ steps_max: 20, edits: true }), ({ changes }) => {
    for (const change of changes) {
      const [header, entries, state] = frameOf(change)
      expect(change.id).toBe(hexSha256(header!))
      for (const part of [entries, state]) if (part) expect(toHex(header!)).toContain(hexSha256(part))
    }
  })
})

test('[CHG-1] bytes are kept as the author made them, and read back alike', () => {
  holds(histories({ steps_max: 20, edits: true }), ({ changes }) => {
    for (const change of changes) {
      const read = decodeChange(change.bytes.slice(), sha256)
      expect(read.id).toBe(change.id)
      expect(toHex(read.bytes)).toBe(toHex(change.bytes))
      expect(draftOf(read)).toEqual(draftOf(change))
    }
  })
})

test('[CHG-1] equal content written twice makes two changes: the salt tells nothing about the content', () => {
  const { changes } = smallContext()
  const again = forged(changes[0]!, { time: changes[0]!.header.time + 1 })
  expect(again.values()).toEqual(changes[0]!.values())
  expect(frameOf(again)[1]).not.toEqual(frameOf(changes[0]!)[1])
})

/** Two actors: one has written twice, the other once; `next` is what the first writes then, having seen all. */
function smallContext() {
  const host = seededHost(7)
  const set = new ChangeSet(sha256)
  const ada = new BranchWriter(set, host, 'main', 'ada')
  const bob = new BranchWriter(set, host, 'other', 'bob')
  const first = ada.write({ entries: [{ kind: 'message', value: 'one' }], state: { a: 1 } })!
  const second = ada.write({ entries: [{ kind: 'message', value: 'two' }] })!
  const aside = bob.write({ entries: [{ kind: 'message', value: 'aside' }], state: { b: [1, 2, 3] } })!
  const changes = [...set.changes()]
  const next = ada.write({
    entries: [{ kind: 'decision', value: { go: true } }],
    state: { a: 2 },
    at: [...set.dag.heads],
    reads: [{ ref: 'state:/a' }],
    notes: { reason: 'because' },
  })!
  return { set, host, first, second, aside, changes, next }
}

const MISSING = 'f'.repeat(64)

describe('[CHG-2] a change that lies about its causality is refused by name, and nothing has changed', () => {
  const { first, second, aside, changes, next } = smallContext()
  const lies: Readonly<Record<string, readonly [Partial<Draft>, ErrorCode]>> = {
    'a seq is left out': [{ seq: 4 }, 'WEFT_CHANGE_SEQ'],
    'a seq is written again': [{ seq: 2 }, 'WEFT_CHANGE_EQUIVOCATION'],
    'the first seq is written again': [{ seq: 1 }, 'WEFT_CHANGE_EQUIVOCATION'],
    'an actor begins in the middle': [{ actor: 'ab'.repeat(16) }, 'WEFT_CHANGE_SEQ'],
    'the lamport is ahead': [{ lamport: 1_000 }, 'WEFT_CHANGE_LAMPORT'],
    'the lamport is behind': [{ lamport: 2 }, 'WEFT_CHANGE_LAMPORT'],
    'the previous change is not a dep': [{ deps: packed([aside.id]), lamport: 2 }, 'WEFT_CHANGE_DEPS_ACTOR'],
    'an older change is the dep': [{ deps: packed([first.id]), lamport: 2 }, 'WEFT_CHANGE_DEPS_ACTOR'],
    'a dep does not exist': [{ deps: packed([second.id, MISSING]) }, 'WEFT_CHANGE_DEPS_MISSING'],
    'another actor is impersonated': [
      { actor: aside.header.actor, seq: 2, deps: packed([second.id]) },
      'WEFT_CHANGE_DEPS_ACTOR',
    ],
    'the state is by another actor': [
      { actor: 'ab'.repeat(16), seq: 1, state: first.state },
      'WEFT_CHANGE_STATE',
    ],
    'the state of another actor is out of step': [{ state: aside.state }, 'WEFT_CHANGE_STATE'],
    'the state is written again': [{ state: first.state }, 'WEFT_CHANGE_STATE'],
    'the state is no Automerge change': [{ state: new Uint8Array(40) }, 'WEFT_CHANGE_STATE'],
    'the state is cut': [{ state: next.state!.slice(0, -3) }, 'WEFT_CHANGE_STATE'],
  }
  test.each(Object.entries(lies))('%s', (_, [lie, code]) => {
    const set = replicaOf(changes)
    const before = digest(set, sha256)
    expect(codeOf(() => set.add(forged(next, lie)))).toBe(code)
    expect(digest(set, sha256)).toBe(before)
    expect(set.size).toBe(changes.length)
    set.add(next)
    expect(set.has(next.id)).toBe(true)
  })
})

test('[CHG-2] actors whose ids begin alike are not one actor, however many there are', () => {
  const set = new ChangeSet(sha256)
  const root = new BranchWriter(set, seededHost(7), 'main', 'ada').write({
    entries: [{ kind: 'message', value: 1 }],
  })!
  const actors = Array.from(
    { length: 300 },
    (_, at) => 'abcdef01'.padEnd(28, '0') + at.toString(16).padStart(4, '0'),
  )
  const firsts = actors.map(actor => forged(root, { actor, seq: 1, lamport: 2, deps: packed([root.id]) }))
  for (const first of firsts) set.add(first)
  for (const { id, header } of firsts) {
    expect(set.dag.id(set.dag.lastOf(header.actor))).toBe(id)
    set.add(forged(root, { actor: header.actor, seq: 2, lamport: 3, deps: packed([id]) }))
  }
  expect(set.size).toBe(1 + 2 * actors.length)
})

test('[CHG-2] a refused equivocation names both changes', () => {
  const { first, changes } = smallContext()
  const other = forged(first, { time: 1 })
  const error = refusal(() => replicaOf(changes).add(other))
  expect(error.details).toMatchObject({ known: first.id, offered: other.id, seq: 1 })
})

test('[CHG-2] honest clocks: lamport is one more than the deps, seq has no gap', () => {
  holds(histories({ steps_max: 60 }), ({ changes }) => {
    const lamport = new Map(changes.map(({ id, header }) => [id, header.lamport]))
    const seqs = new Map<string, number>()
    for (const { header } of changes) {
      expect(header.lamport).toBe(1 + Math.max(0, ...header.deps.map(dep => lamport.get(dep)!)))
      expect(header.seq).toBe((seqs.get(header.actor) ?? 0) + 1)
      seqs.set(header.actor, header.seq)
    }
  })
})

test('[CHG-3] a change waits until all its deps are applied, and no longer', () => {
  holds(fc.tuple(histories({ steps_max: 40 }), fc.nat()), ([{ changes }, seed]) => {
    const set = new ChangeSet(sha256)
    const intake = new Intake(set)
    const received = new Set<string>()
    for (const change of shuffled(changes, seededDice(seed))) {
      received.add(change.id)
      const before = set.size
      const { applied, refused } = intake.receive(change)
      expect(refused).toEqual([])
      expect(set.size).toBe(before + applied.length)
      expect(set.changes().slice(before)).toEqual(applied)
      expect(intake.waiting).toBe(received.size - set.size)
      const ready = changes.filter(
        ({ id, header }) => received.has(id) && header.deps.every(dep => set.has(dep)),
      )
      expect(ready.every(({ id }) => set.has(id))).toBe(true)
      const known = (id: string) => received.has(id)
      const lacking = changes
        .filter(({ id }) => known(id) && !set.has(id))
        .flatMap(({ header }) => header.deps)
      expect(intake.missing().every(id => lacking.includes(id) && !known(id))).toBe(true)
      expect(intake.missing().length > 0).toBe(intake.waiting > 0)
    }
    expect(set.size).toBe(changes.length)
  })
})

/** `count` changes, each by its own actor, that all wait for one that never comes. */
function* orphans(count: number, value: string): Generator<Change> {
  const { next } = smallContext()
  for (let i = 0; i < count; i++) {
    const actor = i.toString(16).padStart(32, '0')
    const deps = packed([MISSING])
    yield forged(next, { actor, seq: 1, lamport: 1, deps, state: null, values: [value], notes: {} })
  }
}

test.each([
  ['changes', LIMITS.waiting_changes_max, ''],
  ['bytes', Math.floor(LIMITS.waiting_bytes_max / 900_000), 'x'.repeat(899_800)],
])('[CHG-3] what waits is bounded, in %s', (_, fitting, value) => {
  const { changes } = smallContext()
  const set = new ChangeSet(sha256)
  const intake = new Intake(set)
  const early = [...orphans(fitting + 1, value)]
  const last = early.pop()!
  for (const change of early) intake.receive(change)
  expect(codeOf(() => intake.receive(last))).toBe('WEFT_QUEUE_FULL')
  expect(intake.waiting).toBe(fitting)
  for (const change of changes) intake.receive(change)
  expect(digest(set, sha256)).toBe(digest(replicaOf(changes), sha256))
})

test('[CHG-4] equal sets have equal digests, whatever the order, batches and repeats in which they came', () => {
  const small = histories({ steps_max: 20 })
  holds(
    fc.tuple(small, deliveries, deliveries),
    ([{ changes }, one, other]) => {
      expect(digest(deliver(changes, one), sha256)).toBe(digest(deliver(changes, other), sha256))
    },
    10_000,
  )
})

test('[CHG-4] the same with state that is edited concurrently', () => {
  holds(
    fc.tuple(histories({ steps_max: 40, edits: true }), deliveries, deliveries),
    ([{ changes }, one, other]) => {
      expect(digest(deliver(changes, one), sha256)).toBe(digest(deliver(changes, other), sha256))
    },
    250,
  )
})

test('[CHG-4] a set with one change less has another digest', () => {
  holds(histories({ steps_max: 20, edits: true }), ({ changes }) => {
    const all = digest(replicaOf(changes), sha256)
    if (changes.length > 0) expect(digest(replicaOf(changes.slice(0, -1)), sha256)).not.toBe(all)
  })
})

/** Every way to damage `bytes` by one bit, by a cut, by more behind it. */
function* damaged(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = bytes.slice()
    copy[bit >> 3]! ^= 1 << (bit & 7)
    yield copy
  }
  for (let length = 0; length < bytes.length; length++) yield bytes.slice(0, length)
  for (const more of [[0], [0xf6], [...bytes]]) yield Uint8Array.from([...bytes, ...more])
}

test('[CHG-1] [CHG-5] damaged bytes are refused, or are another change; never this one with other content', () => {
  const { changes, next } = smallContext()
  for (const change of [...changes, next]) {
    for (const bytes of damaged(change.bytes)) {
      const read = decodedOrRefused(bytes)
      if (read) expect(read.id).not.toBe(change.id)
    }
  }
})

function decodedOrRefused(bytes: Uint8Array): Change | undefined {
  try {
    return decodeChange(bytes, sha256)
  } catch (error) {
    expect(isWeftError(error) && error.code).toMatch(/^WEFT_CHANGE_(MALFORMED|HASH|TOO_LARGE)$/)
    return undefined
  }
}

test.each<[string, Write]>([
  ['writes', { writes: ['state:/x'] }],
  ['reads', { entries: [{ kind: 'message', value: 1 }], reads: [{ ref: 'state:/x' }] }],
])('[CHG-5] a change that %s what is no pointer is refused: it could not be held against others', (_, write) => {
  const { set, host } = smallContext()
  const sound = new BranchWriter(set, host, 'main', 'eve').write(write)!
  const [header, entries, state] = frameOf(sound)
  const [said, none] = ['state:/x', 'state:xx'].map(ref => toHex(encodeUtf8(ref)))
  const bad = fromHex(toHex(header!).replace(said!, none!))
  expect(codeOf(() => decodeChange(framed([bad, entries!, state!]), sha256))).toBe('WEFT_CHANGE_MALFORMED')
})

test('[CHG-5] a change that came without one of its parts is refused', () => {
  const { changes, next } = smallContext()
  const [header, entries] = frameOf(next)
  const withoutState = decodeChange(framed([header!, entries!, null]), sha256)
  expect(withoutState.id).toBe(next.id)
  expect(withoutState.complete).toBe(false)
  expect(codeOf(() => replicaOf(changes).add(withoutState))).toBe('WEFT_CHANGE_MALFORMED')
})

test('[CHG-5] a change beyond the limits is refused before it is read', () => {
  const { set, host } = smallContext()
  const before = digest(set, sha256)
  const writer = new BranchWriter(set, host, 'main', 'eve')
  const large = { kind: 'message', value: 'x'.repeat(LIMITS.change_bytes_max) }
  expect(codeOf(() => writer.write({ entries: [large], state: { large: 1 } }))).toBe('WEFT_CHANGE_TOO_LARGE')
  expect(codeOf(() => decodeChange(new Uint8Array(LIMITS.change_bytes_max + 1), sha256))).toBe(
    'WEFT_CHANGE_TOO_LARGE',
  )
  expect(digest(set, sha256)).toBe(before)
  expect(writer.write({ state: { ...writer.state.read(), small: 1 } })!.header.seq).toBe(1)
})

test.each<[string, Write]>([
  ['entries', { entries: Array.from({ length: 5_000 }, () => ({ kind: 'message', value: 1 })) }],
  ['keys', { state: Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`k${i}`, i])) }],
  ['characters in a key', { state: { ['k'.repeat(2_000)]: 1 } }],
  ['characters in a ref', { entries: [{ kind: 'message', value: 1 }], reads: [{ ref: 'r'.repeat(2_000) }] }],
])('[CHG-5] a write with too many %s is refused by name, and its author can go on', (_, write) => {
  const set = new ChangeSet(sha256)
  const writer = new BranchWriter(set, seededHost(1), 'main', 'agent')
  expect(codeOf(() => writer.write(write))).toBe('WEFT_CHANGE_TOO_LARGE')
  expect(set.size).toBe(0)
  writer.write({ entries: [{ kind: 'message', value: 'small' }], state: { small: 1 } })
  expect(writer.state.read()).toEqual({ small: 1 })
})

const lies: readonly ((change: Change) => Partial<Draft>)[] = [
  ({ header }) => ({ lamport: header.lamport + 1 }),
  ({ header }) => ({ seq: header.seq + 1 }),
  ({ header }) => ({ deps: packed([...header.deps, MISSING]) }),
  ({ header }) => ({ deps: packed([]), seq: 2, lamport: 1, actor: header.actor }),
]

test('[CHG-5] forged changes among honest ones leave the set that the honest ones make', () => {
  const history = histories({ steps_max: 30, edits: true })
  holds(fc.tuple(history, fc.nat()), ([{ changes }, seed]) => {
    const dice = seededDice(seed)
    const hostile = changes.map(change => forged(change, pick(lies, dice(lies.length))(change)))
    const set = new ChangeSet(sha256)
    const intake = new Intake(set)
    for (const change of shuffled([...changes, ...hostile], dice)) {
      try {
        for (const { error } of intake.receive(change).refused) expect(isWeftError(error)).toBe(true)
      } catch (error) {
        expect(hostile.includes(change)).toBe(true)
        expect(isWeftError(error) && error.code).toMatch(/^WEFT_CHANGE_/)
      }
    }
    expect(digest(set, sha256)).toBe(digest(replicaOf(changes), sha256))
  })
})
