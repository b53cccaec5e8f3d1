import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ErrorCode, WeftError } from '@weft/core'
import { problemOf, problemResponse, STATUS_OF } from '@weft/peer'
import { describe, expect, test } from 'vitest'

const SOURCE = readFileSync(join(import.meta.dirname, '../../packages/core/src/base/errors.ts'), 'utf8')
const CODES = [...SOURCE.matchAll(/^ {2}\| '(WEFT_\w+)'$/gm)].map(([, code]) => code as ErrorCode)

/** At fault is the server, what it was given, or what it keeps: nothing that who asks can put right. */
const OF_THE_SERVER: readonly ErrorCode[] = [
  'WEFT_SCHEMA_ASYNC',
  'WEFT_MIGRATION_FAILED',
  'WEFT_RENDER_FAILED',
  'WEFT_STORE_CORRUPT',
  'WEFT_STORE_VERSION',
  'WEFT_PORT_IN_USE',
  'WEFT_FILE_INVALID',
  'WEFT_INTERNAL',
]

describe('a problem', () => {
  test('has a status for every code, and 500 for none by accident', () => {
    expect(CODES.length).toBeGreaterThan(90)
    expect(Object.keys(STATUS_OF).sort()).toEqual([...CODES].sort())
    const failures = CODES.filter(code => STATUS_OF[code] === 500)
    expect(failures.sort()).toEqual([...OF_THE_SERVER].sort())
  })

  test('says of a token that it is one, of a credential that it is missing, and when to come again', async () => {
    const refused = problemResponse(new WeftError('WEFT_TOKEN_EXPIRED', 'it is over', 'get another one'))
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    const busy = problemResponse(new WeftError('WEFT_LIMIT', 'too many', 'wait'))
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '1'])
    expect(busy.headers.get('content-type')).toBe('application/problem+json')
    expect(await busy.json()).toEqual({
      type: 'urn:weft:error:WEFT_LIMIT',
      title: 'WEFT_LIMIT',
      status: 503,
      detail: 'too many',
      code: 'WEFT_LIMIT',
      cure: 'wait',
      details: {},
    })
  })

  test('tells nothing of an error that is not ours, and lives with a code of another version', () => {
    expect(JSON.stringify(problemOf(new Error('the password is hush')))).not.toContain('hush')
    expect(problemOf(new Error('x'))).toMatchObject({ status: 500, code: 'WEFT_INTERNAL' })
    expect(problemOf(new WeftError('WEFT_NEWER' as ErrorCode, 'm', 'c'))).toMatchObject({ status: 500 })
  })
})
