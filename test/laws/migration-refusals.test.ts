import {
  ANY_CONTEXT,
  type ContextDefinition,
  checkSchema,
  defineContext,
  digest,
  type JsonObject,
  type Migration,
} from '@weft/core'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { codeOf, refusal } from '../support/core-forge.ts'
import { holds, sha256 } from '../support/core-property.ts'
import { acts, begin, First, play, Second, syncAll, Third, Worker } from '../support/migrating-workers.ts'

describe('[HND-2] what a definition does not know is refused by name and version', () => {
  test('a newer version, and another name; a tool that only carries has neither', () => {
    const [worker] = begin()
    worker.open(Third)
    const newer = refusal(() => checkSchema(worker.set, Second, 'main'))
    expect(newer).toMatchObject({
      code: 'WEFT_SCHEMA_UNKNOWN',
      details: { branch: 'main', name: 'report', version: 3, known: { name: 'report', version: 2 } },
    })
    expect(newer.message).toContain('"report" version 3')
    const Other = defineContext({ name: 'other', version: 9, entries: {} }) as ContextDefinition
    expect(refusal(() => checkSchema(worker.set, Other, 'main')).message).toContain('"report" version 3')
    expect(codeOf(() => worker.open(Other))).toBe('WEFT_SCHEMA_UNKNOWN')
    const size = worker.set.size
    checkSchema(worker.set, ANY_CONTEXT as ContextDefinition, 'main')
    expect(worker.open(ANY_CONTEXT as ContextDefinition)).toEqual([])
    expect(worker.set.size).toBe(size)
    expect(codeOf(() => defineContext({ name: ANY_CONTEXT.name, version: 1, entries: {} }))).toBe(
      'WEFT_ID_INVALID',
    )
  })

  test('a branch with two names is nobody’s, on every replica alike', () => {
    const names = ['a', 'b', 'c'].map(
      name => defineContext({ name, version: 1, entries: {} }) as ContextDefinition,
    )
    const workers = names.map((definition, index) => {
      const worker = new Worker(index)
      worker.writer(definition).write({ entries: [{ kind: 'note', value: index }] })
      return worker
    })
    syncAll(workers, 3)
    for (const definition of names) {
      for (const { set } of workers)
        expect(codeOf(() => checkSchema(set, definition, 'main'))).toBe('WEFT_SCHEMA_UNKNOWN')
    }
  })

  test('a version that no migration leads away from', () => {
    const [worker] = begin()
    const gap = defineContext({ name: 'report', version: 3, entries: {}, migrations: { 3: old => old } })
    expect(refusal(() => worker.open(gap as ContextDefinition))).toMatchObject({
      code: 'WEFT_SCHEMA_UNKNOWN',
      details: { name: 'report', version: 1, known: 3, missing: 2 },
    })
    expect(worker.set.size).toBe(1)
  })

  test('what a branch is at is the highest version that any change in its past names', () => {
    holds(
      acts(['count', 'tags']),
      plan => {
        for (const { set } of play(plan)) {
          for (let node = 0; node < set.size; node++) {
            const named = [...set.viewAt([node]).arrived].flatMap(
              each => set.change(each).header.notes.schema?.version ?? [],
            )
            expect(set.schemas.at([node])).toEqual([{ name: 'report', version: Math.max(...named) }])
          }
        }
      },
      20,
    )
  })

  test.each<[string, Record<string, unknown>]>([
    ['to the first version', { 1: (old: JsonObject) => old }],
    ['beyond the version', { 3: (old: JsonObject) => old }],
    ['to no version', { two: (old: JsonObject) => old }],
    ['that is no function', { 2: {} }],
  ])('a migration %s is no migration', (_, migrations) => {
    const define = () =>
      defineContext({
        name: 'report',
        version: 2,
        entries: {},
        migrations: migrations as Record<number, Migration>,
      })
    expect(codeOf(define)).toBe('WEFT_SCHEMA_REFUSED')
  })
})

describe('[HND-2] a migration that fails leaves the context as it was', () => {
  const failing: readonly (readonly [string, unknown])[] = [
    [
      'throws',
      () => {
        throw new Error('no such field')
      },
    ],
    [
      'changes what it is given',
      (old: { count: number }) => {
        old.count = 1
        return old
      },
    ],
    ['is asynchronous', async (old: JsonObject) => old],
    ['makes no object', () => 7],
    ['makes what JSON cannot carry', () => ({ count: Number.NaN })],
    ['makes what the schema refuses', () => ({ count: 'many' })],
  ]
  test.each(failing)('one that %s', (_, migration) => {
    const [worker] = begin()
    worker.edit(First, state => ({ ...state, count: 3 }))
    const before = digest(worker.set, sha256)
    const Bad = defineContext({
      name: 'report',
      version: 3,
      state: z.object({ count: z.number() }),
      entries: {},
      migrations: { 2: old => old, 3: migration as Migration },
    }) as ContextDefinition
    const error = refusal(() => worker.open(Bad))
    expect(error).toMatchObject({ code: 'WEFT_MIGRATION_FAILED', details: { name: 'report', version: 3 } })
    expect(error.message).toContain('"report" to version 3')
    expect(error.cause).toBeInstanceOf(Error)
    expect(digest(worker.set, sha256)).toBe(before)
    expect(worker.state()).toEqual({ title: 'draft', count: 3, tags: {} })
    expect(worker.open(Second)).toHaveLength(1)
  })
})
