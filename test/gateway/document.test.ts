import { Validator } from '@seriousme/openapi-schema-validator'
import { buildApp } from '@weft/gateway'
import { describe, expect, test } from 'vitest'
import type { OpenApiDocument } from '../support/api-document.ts'
import { GatewayHarness } from '../support/gateway-harness.ts'

/** No route is asked anything here. */
const app = buildApp({} as Parameters<typeof buildApp>[0])

async function documentOf(): Promise<OpenApiDocument> {
  return (await (await app.request('/v1/openapi.json')).json()) as OpenApiDocument
}

describe('the OpenAPI document', () => {
  test('is valid, as 3.1', async () => {
    const validator = new Validator()
    const { valid, errors } = await validator.validate(
      (await documentOf()) as object as Record<string, unknown>,
    )
    expect(errors).toBeUndefined()
    expect([valid, validator.version]).toEqual([true, '3.1'])
  })

  test('is refused by the validator when it is broken', async () => {
    const document = (await documentOf()) as object as Record<string, unknown>
    const broken = { ...document, paths: { '/x': { get: { responses: 1 } } } }
    expect((await new Validator().validate(broken)).valid).toBe(false)
  })

  test('names every route that there is, and no other', async () => {
    const { paths } = await documentOf()
    const documented = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map(method => `${method.toUpperCase()} ${path}`),
    )
    const served = app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
    expect(documented.length).toBeGreaterThan(14)
    expect([...new Set(served)].sort()).toEqual([...documented].sort())
  })

  test('says of each operation what it is called, what it takes a token for, and how it refuses', async () => {
    const { paths } = await documentOf()
    const operations = Object.values(paths).flatMap(each => Object.values(each)) as {
      operationId: string
      summary: string
      security?: unknown
      responses: Record<string, { content?: Record<string, unknown> }>
    }[]
    expect(new Set(operations.map(each => each.operationId)).size).toBe(operations.length)
    for (const { operationId, summary, security, responses } of operations) {
      expect(summary, operationId).toMatch(/\.$/)
      if (operationId === 'readDocument') continue
      expect(security, operationId).toEqual([{ bearer: [] }])
      for (const [status, { content }] of Object.entries(responses)) {
        if (status.startsWith('2')) continue
        expect(Object.keys(content ?? {}), `${operationId} ${status}`).toEqual(['application/problem+json'])
      }
      expect(Object.keys(responses)).toEqual(expect.arrayContaining(['401', '403', '504', 'default']))
    }
  })

  test('takes no token, and says so of nothing else', async () => {
    const { gateway } = await GatewayHarness.start()
    expect((await fetch(`${gateway.url}/v1/openapi.json`)).status).toBe(200)
    for (const path of ['/v1/contexts/w/state', '/v1/overlays']) {
      const response = await fetch(`${gateway.url}${path}`)
      expect([response.status, await response.json()]).toMatchObject([401, { code: 'WEFT_TOKEN_MISSING' }])
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
    }
  })
})
