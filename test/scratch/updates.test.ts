import { UpdateLog } from '@weft/scratch'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { holds } from '../support/core-property.ts'

/** Some writing on a document that has a text, a map and a list. */
const edit = fc.oneof(
  fc.record({
    is: fc.constant('insert' as const),
    at: fc.nat(20),
    text: fc.string({ minLength: 1, maxLength: 6 }),
  }),
  fc.record({ is: fc.constant('delete' as const), at: fc.nat(20), length: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ is: fc.constant('format' as const), at: fc.nat(20), length: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ is: fc.constant('set' as const), key: fc.constantFrom('a', 'b'), value: fc.jsonValue() }),
  fc.record({ is: fc.constant('push' as const), value: fc.constantFrom('text', 'map', 'bytes', 'number') }),
)
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never

/** Who writes next: one of three, or one of them hears all that another has. */
const turn = fc.oneof(
  fc.record({ author: fc.nat(2), edit }),
  fc.record({ author: fc.nat(2), hears: fc.nat(2) }),
)

function write(doc: Y.Doc, step: Edit): void {
  const text = doc.getText('draft')
  const at = 'at' in step ? Math.min(step.at, text.length) : 0
  switch (step.is) {
    case 'insert':
      text.insert(at, step.text)
      return
    case 'delete':
      text.delete(at, Math.min(step.length, text.length - at))
      return
    case 'format':
      text.format(at, Math.min(step.length, text.length - at), { bold: true })
      return
    case 'set':
      doc.getMap('map').set(step.key, step.value)
      return
    case 'push':
      doc.getArray('list').push([makeValue(step.value)])
  }
}

function makeValue(kind: string): unknown {
  if (kind === 'text') return new Y.Text('inner')
  if (kind === 'map') return new Y.Map([['k', 1]])
  return kind === 'bytes' ? Uint8Array.of(1, 2, 3) : 42
}

/** What three authors wrote, update by update, in an order in which each follows what it builds on. */
function history(turns: readonly (typeof turn extends fc.Arbitrary<infer T> ? T : never)[]): Uint8Array[] {
  const updates: Uint8Array[] = []
  const docs = [1, 2, 3].map(client => {
    const doc = new Y.Doc()
    doc.clientID = client
    doc.on('update', (update, origin) => origin !== 'heard' && updates.push(Uint8Array.from(update)))
    return doc
  })
  for (const each of turns) {
    if ('edit' in each) write(docs[each.author]!, each.edit)
    else Y.applyUpdate(docs[each.author]!, Y.encodeStateAsUpdate(docs[each.hears]!), 'heard')
  }
  return updates
}

const clocksOf = (doc: Y.Doc) => Y.decodeStateVector(Y.encodeStateVector(doc))

/** The law of `checkUpdate`, by integrating: all of it, or not acceptable. */
function integrates(base: Uint8Array, update: Uint8Array): boolean {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, base)
  try {
    Y.applyUpdate(doc, update)
  } catch {
    return false
  }
  return doc.store.pendingStructs === null && doc.store.pendingDs === null
}

describe('the relay of scratches', () => {
  test('[TIR-1] holds what was written, whatever the order of authors, and gives each what it lacks', () => {
    holds(
      fc.tuple(fc.array(turn, { maxLength: 80 }), fc.nat(80)),
      ([turns, knownCount]) => {
        const updates = history(turns)
        const log = new UpdateLog(10)
        const oracle = new Y.Doc()
        const reader = new Y.Doc()
        updates.forEach((update, index) => {
          const admitted = log.admit(update)
          if (admitted) log.append(admitted)
          Y.applyUpdate(oracle, update)
          if (index < knownCount) Y.applyUpdate(reader, update)
        })
        expect(log.clocks).toEqual(clocksOf(oracle))
        Y.applyUpdate(reader, log.since(Y.encodeStateVector(reader)))
        expect(reader.getText('draft').toDelta()).toEqual(oracle.getText('draft').toDelta())
        expect(reader.getMap('map').toJSON()).toEqual(oracle.getMap('map').toJSON())
        expect(reader.getArray('list').toJSON()).toEqual(oracle.getArray('list').toJSON())
        expect(reader.store.pendingStructs).toBeNull()
      },
      100,
    )
  })

  test('[TIR-1] takes what was written, and of what was damaged only what can be integrated and merged wholly', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 })
    holds(
      fc.tuple(fc.array(turn, { minLength: 4, maxLength: 30 }), fc.nat(), damage),
      ([turns, from, changes]) => {
        const updates = history(turns)
        if (updates.length === 0) return
        const known = new Y.Doc()
        const log = new UpdateLog(10_000)
        const at = from % updates.length
        for (const update of updates.slice(0, at)) {
          Y.applyUpdate(known, update)
          const admitted = log.admit(update)
          if (admitted) log.append(admitted)
        }
        const update = Uint8Array.from(updates[at]!)
        for (const [position, value] of changes) update[position % update.length] = value
        const accepted = attempt(() => {
          const admitted = log.admit(update)
          if (admitted) log.append(admitted)
        })
        if (accepted) {
          expect(integrates(Y.encodeStateAsUpdate(known), update)).toBe(true)
          expect(integrates(Uint8Array.of(0, 0), log.since(Uint8Array.of(0)))).toBe(true)
        }
        if (changes.length === 0) expect(accepted).toBe(true)
      },
      Number(process.env.WEFT_SCRATCH_RUNS ?? 1_200),
    )
  })

  test('[TIR-1] refuses, and changes nothing, when an update lacks one that it builds on', () => {
    holds(
      fc.tuple(fc.array(turn, { minLength: 4, maxLength: 30 }), fc.nat()),
      ([turns, which]) => {
        const updates = history(turns)
        if (updates.length < 2) return
        const lost = which % (updates.length - 1)
        const log = new UpdateLog(10)
        const doc = new Y.Doc()
        for (const update of updates.filter((_, index) => index !== lost)) {
          const { clocks, bytes } = { clocks: new Map(log.clocks), bytes: log.bytes }
          const whole = integrates(Y.encodeStateAsUpdate(doc), update)
          const taken = attempt(() => {
            const admitted = log.admit(update)
            if (admitted) log.append(admitted)
          })
          expect(taken).toBe(whole)
          if (taken) Y.applyUpdate(doc, update)
          else expect({ clocks: log.clocks, bytes: log.bytes }).toEqual({ clocks, bytes })
        }
      },
      100,
    )
  })

  test('[TIR-1] 2,000 tokens cost it a few pieces, and little more than their bytes', () => {
    const log = new UpdateLog(10)
    const doc = new Y.Doc()
    let sent = 0
    doc.on('update', update => {
      sent += update.length
      log.append(log.admit(update)!)
    })
    const text = doc.getText('draft')
    for (let i = 0; i < 2_000; i++) text.insert(text.length, 'token ')
    expect(log.bytes).toBeLessThan(sent)
    const reader = new Y.Doc()
    Y.applyUpdate(reader, log.since(Y.encodeStateVector(reader)))
    expect(reader.getText('draft').toString()).toBe(text.toString())
  })
})

/** Whether it went through; only a coded refusal may keep it from that. */
function attempt(work: () => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: 'WEFT_FRAME_MALFORMED' })
    return false
  }
}
