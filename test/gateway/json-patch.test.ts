import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Json } from '@weft/core'
import { applyPatch, type Operation } from '@weft/gateway'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { holds } from '../support/core-property.ts'

interface Case {
  readonly comment?: string
  readonly doc: Json
  readonly patch: readonly Operation[]
  readonly expected?: Json
  readonly error?: string
  readonly disabled?: boolean
}

const require = createRequire(import.meta.url)
const suite = (name: string): Case[] =>
  (JSON.parse(readFileSync(require.resolve(`json-patch-test-suite/${name}`), 'utf8')) as Case[]).filter(
    ({ patch, disabled }) => patch !== undefined && !disabled,
  )

/** Of operations that are none: those never get as far as the patch, as the schema of the request refuses them. */
const isOperation = ({ op, path, ...rest }: Operation & { value?: Json; from?: string }): boolean =>
  typeof path === 'string' &&
  (op === 'remove' ||
    (['add', 'replace', 'test'].includes(op) && 'value' in rest) ||
    (['move', 'copy'].includes(op) && typeof rest.from === 'string'))

const CASES = [...suite('tests.json'), ...suite('spec_tests.json')].filter(({ patch }) =>
  patch.every(isOperation as (operation: Operation) => boolean),
)

describe('a patch, by the test suite of RFC 6902', () => {
  test('of which there are enough', () => expect(CASES.length).toBeGreaterThan(80))

  test.each(
    CASES.map(each => [each.comment ?? JSON.stringify(each.patch), each] as const),
  )('%s', (_, each) => {
    const before = structuredClone(each.doc)
    const apply = (): Json => applyPatch(deepFrozen(each.doc), each.patch)
    // The suite takes away a whole document here and there: a state is never nothing.
    if (each.error !== undefined) expect(apply).toThrow(expect.objectContaining({ code: CODE }))
    else expect(apply()).toEqual(each.expected ?? each.doc)
    expect(each.doc).toEqual(before)
  })
})

const CODE = expect.stringMatching(/^WEFT_(PATCH_REFUSED|POINTER_INVALID)$/)

function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) deepFrozen(item)
  return Object.freeze(value)
}

const refusalOf = (doc: Json, ...patch: Operation[]): unknown => {
  try {
    return applyPatch(doc, patch)
  } catch (error) {
    return error
  }
}

describe('a patch is refused', () => {
  test.each<[string, Json, Operation]>([
    ['at what only the prototype has', {}, { op: 'add', path: '/toString/x', value: 1 }],
    ['at a constructor that is not there', {}, { op: 'replace', path: '/constructor', value: 1 }],
    ['below a constructor that is not there', {}, { op: 'add', path: '/constructor/prototype/x', value: 1 }],
    ['below __proto__', {}, { op: 'add', path: '/__proto__/x', value: 1 }],
    ['from __proto__', {}, { op: 'copy', path: '/x', from: '/__proto__' }],
    ['at the length of a list', { a: [1] }, { op: 'replace', path: '/a/length', value: 0 }],
    ['at the length of a text', { a: 'b' }, { op: 'test', path: '/a/length', value: 1 }],
    ['below a text', { a: 'b' }, { op: 'add', path: '/a/0', value: 1 }],
    ['below null', { a: null }, { op: 'add', path: '/a/b', value: 1 }],
    ['beyond a list', { a: [1] }, { op: 'add', path: '/a/2', value: 1 }],
    ['at an index that is none', { a: [1] }, { op: 'add', path: '/a/00', value: 1 }],
    ['at the end of a list, where there is nothing', { a: [1] }, { op: 'remove', path: '/a/-' }],
    ['for the whole', { a: 1 }, { op: 'remove', path: '' }],
    ['into itself', { a: { b: 1 } }, { op: 'move', from: '/a', path: '/a/b' }],
  ])('%s', (_, doc, operation) => {
    const error = refusalOf(doc, { op: 'test', path: '', value: doc }, operation)
    expect(error).toMatchObject({
      code: 'WEFT_PATCH_REFUSED',
      details: { operation: 1, op: operation.op, path: operation.path },
    })
    expect({}).not.toHaveProperty('x')
  })

  test('as something that no pointer is', () => {
    expect(refusalOf({}, { op: 'add', path: 'a', value: 1 })).toMatchObject({ code: 'WEFT_POINTER_INVALID' })
    expect(refusalOf({}, { op: 'copy', path: '/a', from: '/~2' })).toMatchObject({
      code: 'WEFT_POINTER_INVALID',
    })
  })

  test('when it moves the items of a long list too often', () => {
    const list = Array.from({ length: 60_000 }, (_, at) => ({ at }))
    const inserts = Array.from({ length: 26_000 }, (): Operation => ({ op: 'add', path: '/0', value: 0 }))
    const cuts = inserts.map((): Operation => ({ op: 'remove', path: '/0' }))
    for (const patch of [inserts, cuts])
      expect(refusalOf(list, ...patch)).toMatchObject({
        code: 'WEFT_PATCH_REFUSED',
        message: expect.stringContaining('moves more items of lists'),
      })
    const appends = inserts.map((): Operation => ({ op: 'add', path: '/-', value: 0 }))
    expect(applyPatch(list, appends)).toHaveLength(86_000)
    expect(list).toHaveLength(60_000)
  })

  test('when copies of copies grow beyond all bounds', () => {
    const doublings = Array.from(
      { length: 60 },
      (_, at): Operation => ({ op: 'copy', from: '', path: `/x${at}` }),
    )
    expect(refusalOf({ a: [1, 2, 3] }, ...doublings)).toMatchObject({
      code: 'WEFT_PATCH_REFUSED',
      message: expect.stringContaining('more than a change can hold'),
    })
  })
})

describe('a patch takes for keys', () => {
  test.each(['constructor', 'prototype', 'hasOwnProperty', '', ' ', '0', '-', 'a/b', '~'])('%j', key => {
    const path = `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
    const added = applyPatch({ kept: 1 }, [{ op: 'add', path, value: { inner: 1 } }])
    expect(added).toEqual({ kept: 1, [key]: { inner: 1 } })
    expect(applyPatch(added, [{ op: 'remove', path: `${path}/inner` }])).toEqual({ kept: 1, [key]: {} })
    expect(applyPatch(added, [{ op: 'move', from: path, path: '/moved' }])).toEqual({
      kept: 1,
      moved: { inner: 1 },
    })
  })
})

test('what was copied is changed in one place alone, and the values of a patch in none', () => {
  const item = deepFrozen({ list: [1] })
  const patch: Operation[] = [
    { op: 'add', path: '/a', value: item },
    { op: 'add', path: '/a/list/0', value: 0 },
    { op: 'copy', from: '/a', path: '/b' },
    { op: 'copy', from: '', path: '/c' },
    { op: 'add', path: '/a/list/-', value: 2 },
    { op: 'remove', path: '/b/list/0' },
    { op: 'replace', path: '/c/a/list', value: [] },
    { op: 'move', from: '/c/b', path: '/d' },
    { op: 'add', path: '/d/list/-', value: 3 },
  ]
  for (let time = 0; time < 2; time++)
    expect(applyPatch(deepFrozen({}), patch)).toEqual({
      a: { list: [0, 1, 2] },
      b: { list: [1] },
      c: { a: { list: [] } },
      d: { list: [0, 1, 3] },
    })
})

test('operations that are applied together come to what they come to one after the other', () => {
  const pointer = fc
    .array(fc.constantFrom('a', 'b', '0', '1', '-', '__proto__'), { maxLength: 3 })
    .map(keys => keys.map(key => `/${key}`).join(''))
  const value = fc.constantFrom<Json>(0, [], [1, { a: [2] }], {}, { a: [{ b: 1 }], b: {} })
  const operation = fc.oneof(
    fc.record({ op: fc.constantFrom('add' as const, 'replace' as const), path: pointer, value }),
    fc.record({ op: fc.constant('remove' as const), path: pointer }),
    fc.record({ op: fc.constantFrom('copy' as const, 'move' as const), path: pointer, from: pointer }),
  )
  const applied = (doc: Json, patch: readonly Operation[]): Json | undefined => {
    try {
      return applyPatch(deepFrozen(doc), deepFrozen(patch))
    } catch {
      return undefined
    }
  }
  holds(
    fc.tuple(value, fc.array(operation, { maxLength: 30 })),
    ([start, wanted]) => {
      let expected = start
      const patch = wanted.filter(each => {
        const next = applied(structuredClone(expected), [each])
        if (next !== undefined) expected = next
        return next !== undefined
      })
      expect(applied(start, patch)).toEqual(expected)
    },
    1_000,
  )
})

test('what is taken away and put back is what it was, whatever the document', () => {
  holds(
    fc.tuple(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), fc.jsonValue()),
    ([doc, key, value]) => {
      fc.pre(key !== '__proto__' && !Object.hasOwn(doc, '__proto__'))
      const path = `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      const added = applyPatch(doc as Json, [{ op: 'add', path, value: value as Json }])
      expect(added).toEqual({ ...doc, [key]: value })
      const undo: Operation = Object.hasOwn(doc, key)
        ? { op: 'replace', path, value: doc[key] as Json }
        : { op: 'remove', path }
      expect(applyPatch(added, [{ op: 'test', path, value: value as Json }, undo])).toEqual(doc)
    },
    100,
  )
})
