import {
  type AnySchema,
  BranchWriter,
  ChangeSet,
  decodeChange,
  defineContext,
  defineOverlay,
  digest,
  genesis,
  type JsonObject,
  StateDoc,
  toHex,
  validateEntry,
  validateState,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { codeOf, refusal } from '../support/core-forge.ts'
import { deliver } from '../support/core-history.ts'
import { holds, seededHost, sha256 } from '../support/core-property.ts'

const Plan = z.object({ steps: z.array(z.string()), tone: z.enum(['plain', 'warm']).default('plain') })
const Research = defineContext({
  name: 'research',
  version: 2,
  state: Plan,
  entries: {
    message: z.object({ text: z.string() }),
    score: z.number().transform(value => value * 2),
    broken: z.any().transform(() => new Date()),
  },
  initial: { steps: [] },
})

/** A schema without any library: the Standard Schema interface, by hand. */
function handmade(check: (value: unknown) => string | undefined): AnySchema {
  return {
    '~standard': {
      version: 1,
      vendor: 'weft-test',
      validate: value => {
        const message = check(value)
        return message === undefined ? { value } : { issues: [{ message, path: ['a', { key: 0 }] }] }
      },
    },
  }
}

/** It fails when nobody waits for it any more, which must not end the process. */
const asynchronous: AnySchema = {
  '~standard': {
    version: 1,
    vendor: 'weft-test',
    validate: () => Promise.reject(new Error('a look-up that failed')),
  },
}

describe('a value is what its schema makes of it', () => {
  test('defaults and transforms apply', () => {
    expect(Research.initial).toEqual({ steps: [], tone: 'plain' })
    expect(validateState(Research.state, { steps: ['a'] })).toEqual({ steps: ['a'], tone: 'plain' })
    expect(validateEntry(Research, 'score', 21)).toBe(42)
  })

  test('types follow from the definition', () => {
    expectTypeOf(Research.entries.message).toExtend<z.ZodType<{ text: string }>>()
    expectTypeOf<NonNullable<typeof Research.state>['~standard']>().not.toBeAny()
  })

  test('any Standard Schema will do', () => {
    const even = handmade(value => (Number(value) % 2 === 0 ? undefined : 'is odd'))
    const definition = defineContext({ name: 'made', version: 1, entries: { even } })
    expect(validateEntry(definition, 'even', 4)).toBe(4)
    const error = refusal(() => validateEntry(definition, 'even', 3))
    expect(error.code).toBe('WEFT_SCHEMA_REFUSED')
    expect(error.details).toEqual({ issues: [{ pointer: '/a/0', message: 'is odd' }] })
  })

  test('without a schema, state is any JSON object', () => {
    holds(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), state => {
      fc.pre(!JSON.stringify(state).includes('"__proto__"'))
      expect(validateState(undefined, state)).toEqual(state)
    })
  })
})

describe('[CHG-5] what does not fit is refused by name before anything is written', () => {
  const define = (options: Partial<Parameters<typeof defineContext>[0]>) => () =>
    defineContext({ name: 'made', version: 1, entries: {}, ...options })

  test.each([
    [
      'an entry that its schema refuses',
      () => validateEntry(Research, 'message', { text: 7 }),
      'WEFT_SCHEMA_REFUSED',
    ],
    [
      'state that its schema refuses',
      () => validateState(Research.state, { steps: 'a' }),
      'WEFT_SCHEMA_REFUSED',
    ],
    ['state that is a list', () => validateState(undefined, []), 'WEFT_SCHEMA_REFUSED'],
    ['a kind that is not defined', () => validateEntry(Research, 'thought', {}), 'WEFT_KIND_UNKNOWN'],
    [
      'a kind that every object inherits',
      () => validateEntry(Research, 'constructor', {}),
      'WEFT_KIND_UNKNOWN',
    ],
    [
      'a schema whose output JSON cannot carry',
      () => validateEntry(Research, 'broken', 1),
      'WEFT_VALUE_NOT_JSON',
    ],
    ['an asynchronous schema of state', () => validateState(asynchronous, {}), 'WEFT_SCHEMA_ASYNC'],
    [
      'an asynchronous schema at definition',
      define({ state: asynchronous, initial: {} }),
      'WEFT_SCHEMA_ASYNC',
    ],
    [
      'an initial state that does not fit',
      define({ state: Plan, initial: { steps: 1 } }),
      'WEFT_SCHEMA_REFUSED',
    ],
    ['a schema that is none', define({ entries: { message: z.object } as never }), 'WEFT_SCHEMA_REFUSED'],
    ['a state whose schema is none', define({ state: {} as never }), 'WEFT_SCHEMA_REFUSED'],
    ['no kinds of entries', define({ entries: undefined as never }), 'WEFT_SCHEMA_REFUSED'],
    ['an overlay whose schema is none', () => defineOverlay('house', null as never), 'WEFT_SCHEMA_REFUSED'],
    ['a version of zero', define({ version: 0 }), 'WEFT_SCHEMA_REFUSED'],
    ['a version between two', define({ version: 1.5 }), 'WEFT_SCHEMA_REFUSED'],
    ['a name with a separator', define({ name: 'a:b' }), 'WEFT_ID_INVALID'],
    ['a kind with a space', define({ entries: { 'a b': asynchronous } }), 'WEFT_ID_INVALID'],
  ])('%s', (_, act, code) => {
    expect(codeOf(act)).toBe(code)
  })

  test('the first issue is in the message, all are in the details', () => {
    const error = refusal(() => validateState(Research.state, { steps: [1, 2], tone: 'loud' }))
    expect(error.message).toContain('/steps/0')
    expect(error.message).toContain('(and 2 more)')
    expect(error.details.issues).toMatchObject([
      { pointer: '/steps/0' },
      { pointer: '/steps/1' },
      { pointer: '/tone' },
    ])
  })

  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  test.each([
    ['undefined in a list', { a: [undefined] }, '/a/0'],
    ['NaN', { a: Number.NaN }, '/a'],
    ['infinity', { a: { b: Number.POSITIVE_INFINITY } }, '/a/b'],
    ['a bigint', { a: 1n }, '/a'],
    ['a function', { a: () => 1 }, '/a'],
    ['a date', { a: new Date() }, '/a'],
    ['a map', { 'a/b': new Map() }, '/a~1b'],
    ['a prototype', JSON.parse('{"a":{"__proto__":{}}}'), '/a'],
  ])('JSON cannot carry %s', (_, value, pointer) => {
    const error = refusal(() => validateState(undefined, value))
    expect(error.code).toBe('WEFT_VALUE_NOT_JSON')
    expect(error.details.pointer).toBe(pointer)
  })

  test('JSON cannot carry a cycle', () => {
    expect(codeOf(() => validateState(undefined, cycle))).toBe('WEFT_VALUE_NOT_JSON')
  })
})

describe('[CHG-4] workers that begin a context at once write one and the same first change', () => {
  test('its bytes follow from the definition alone', () => {
    holds(
      fc.dictionary(fc.string({ minLength: 1, maxLength: 3 }), fc.integer(), {
        minKeys: 1,
        noNullPrototype: true,
      }),
      initial => {
        fc.pre(!Object.hasOwn(initial, '__proto__'))
        const define = (state: JsonObject) =>
          defineContext({ name: 'made', version: 1, entries: {}, initial: state })
        const one = genesis(define(initial), sha256)!
        const reversed = Object.fromEntries(Object.entries(initial).reverse())
        const other = genesis(define(reversed), sha256)!
        expect(toHex(other.bytes)).toBe(toHex(one.bytes))
      },
      100,
    )
  })

  test('and stay what they were: contexts that exist hold this change', () => {
    expect(genesis(Research, sha256)!.id).toMatchInlineSnapshot(
      `"3985a6e7b4862137e47a796dad25ffac9b5e9ab377a6cc9d6928b2c3fe83f331"`,
    )
  })

  test('another name, version or initial state makes another', () => {
    const make = (name: string, version: number, initial: JsonObject) =>
      genesis(defineContext({ name, version, entries: {}, initial }), sha256)!.id
    const ids = [
      make('a', 1, { x: 1 }),
      make('b', 1, { x: 1 }),
      make('a', 2, { x: 1 }),
      make('a', 1, { x: 2 }),
    ]
    expect(new Set(ids).size).toBe(4)
  })

  test('two workers that then write at once converge on the initial state and both writes', () => {
    const first = genesis(Research, sha256)!
    const contexts = ['ada', 'bob'].map((agent, index) => {
      const set = new ChangeSet(sha256)
      set.add(decodeChange(first.bytes, sha256))
      const writer = new BranchWriter(set, seededHost(index), 'main', agent)
      writer.write({ state: { ...writer.state.read(), [agent]: index } })
      return [...set.changes()]
    })
    const set = deliver(contexts.flat(), { seed: 1, repeats: 2, batch: 1 })
    expect(set.size).toBe(3)
    const state = new StateDoc(set, set.everything())
    expect(state.read()).toEqual({ steps: [], tone: 'plain', ada: 0, bob: 1 })
    expect(digest(set, sha256)).toBe(
      digest(deliver(contexts.flat(), { seed: 2, repeats: 0, batch: 9 }), sha256),
    )
  })

  test('without an initial state there is none', () => {
    expect(genesis(defineContext({ name: 'made', version: 1, entries: {} }), sha256)).toBeUndefined()
    expect(
      genesis(defineContext({ name: 'made', version: 1, entries: {}, initial: {} }), sha256),
    ).toBeUndefined()
  })
})
