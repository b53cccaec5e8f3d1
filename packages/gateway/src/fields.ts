import { z } from '@hono/zod-openapi'
import { ID_PATTERN, type Json, type JsonObject } from '@weft/core'

/*
 * What requests and answers are made of. Ids, pointers and refs are described here and checked by the model, which has
 * its own codes for them.
 */

export const id = z.string().openapi({ pattern: ID_PATTERN })
export const workflowId = z.string().openapi({ pattern: ID_PATTERN, example: 'wf-42' })
export const branchName = z.string().openapi({ pattern: ID_PATTERN, example: 'main' })
export const changeId = z
  .string()
  .openapi({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the change, in hex' })
export const entryId = z
  .string()
  .openapi({ pattern: '^[0-9a-f]{64}\\.[0-9]{1,4}$', description: '`<change>.<index of the entry in it>`' })
export const pointer = z.string().openapi({ example: '/constraints/format', description: 'RFC 6901' })
export const ref = z.string().openapi({
  example: 'ext:doc/17@v3',
  description:
    '`state:/pointer`, `entry:<id>`, `overlay:<name>` or `ext:<uri>`, the last two with `@version`',
})
export const position = z.int().min(0).openapi({ description: 'offset in the committed log of the context' })
export const time = z.number().openapi({ description: "ms since 1970 UTC, by its author's clock" })
export const heads = z
  .array(changeId)
  .readonly()
  .openapi({ description: 'the changes that nothing on the branch depends on' })
/** Any JSON, as it is: whether it can be carried the model says. */
export const json = z.nonoptional(z.unknown()).openapi({ description: 'any JSON' }) as z.ZodType<Json>
export const jsonObject = z.record(z.string(), z.unknown()) as z.ZodType<unknown> as z.ZodType<JsonObject>
export const label = z.string().openapi({ maxLength: 1_024 })

export const session = z
  .string()
  .nullable()
  .openapi({
    description:
      'pass it as `after`; null when the peer signs none. Of what was written it is null, too, when the peer did not say in ' +
      'time what stands for it: that is durable all the same. To go on from there, read the context until its `position` is ' +
      'no less than the one that was told, and take the session of that answer',
  })

export const schemaVersion = z
  .strictObject({ name: z.string(), version: z.int() })
  .openapi('SchemaVersion', { description: 'what the state and the entries are defined as' })

export const manifestRef = z
  .object({
    ref,
    version: z.string().optional(),
    entry: z.int().optional().openapi({ description: 'the entry of the change that it is about, if one' }),
  })
  .openapi('ManifestRef')

/** A whole number in a query. */
export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return z
    .string()
    .regex(/^\d{1,15}$/, 'not a whole number')
    .transform(Number)
    .refine(value => value >= min && value <= max, `not from ${min} to ${max}`)
    .openapi({ type: 'integer', minimum: min, ...(max < Number.MAX_SAFE_INTEGER && { maximum: max }) })
}

/** What may stand in a query more than once. */
export function many(description: string) {
  return z
    .union([z.string(), z.array(z.string())])
    .transform(value => [value].flat())
    .openapi({ type: 'array', items: { type: 'string' }, description })
}

export const flag = z
  .enum(['true', 'false'])
  .transform(value => value === 'true')
  .openapi({ type: 'boolean' })

/** `name@version`, as a query names a definition. */
export const schemaName = z
  .string()
  .regex(/^[^@]+@[1-9]\d{0,8}$/, 'not name@version')
  .transform(text => {
    const at = text.lastIndexOf('@')
    return { name: text.slice(0, at), version: Number(text.slice(at + 1)) }
  })
  .openapi({ type: 'string', example: 'research@3' })
