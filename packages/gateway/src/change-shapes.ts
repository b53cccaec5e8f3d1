import { z } from '@hono/zod-openapi'
import { LIMITS } from '@weft/core'
import {
  branchName,
  changeId,
  entryId,
  heads,
  id,
  json,
  label,
  pointer,
  position,
  ref,
  schemaVersion,
  session,
  workflowId,
} from './fields.js'
import { waiting } from './route-parts.js'

const OPERATION = z
  .discriminatedUnion('op', [
    z.strictObject({ op: z.literal('add'), path: pointer, value: json }),
    z.strictObject({ op: z.literal('replace'), path: pointer, value: json }),
    z.strictObject({ op: z.literal('test'), path: pointer, value: json }),
    z.strictObject({ op: z.literal('remove'), path: pointer }),
    z.strictObject({ op: z.literal('move'), path: pointer, from: pointer }),
    z.strictObject({ op: z.literal('copy'), path: pointer, from: pointer }),
  ])
  .openapi('PatchOperation', { description: 'One operation of a JSON Patch (RFC 6902)' })

export const EXPECT = z
  .strictObject({
    heads: z
      .union([z.array(changeId), z.record(z.string(), z.array(changeId))])
      .optional()
      .openapi({ description: 'exactly these heads, of this branch or of branches by name' }),
    writers: z
      .record(z.string(), z.union([changeId, z.array(changeId), z.null()]))
      .optional()
      .openapi({ description: 'who has written last at a pointer of the state, as reading it told' }),
    unmoved: z
      .array(ref)
      .optional()
      .openapi({ description: 'refs that nobody writes between what was seen and the commit' }),
  })
  .openapi('Expect', { description: 'What must hold when the peer takes the change (DUR-6)' })

export const seen = z.array(changeId).max(LIMITS.deps_max).openapi({
  description:
    'the heads that its author had read: what came since is concurrent to it. Default: what the branch shows now',
})

export const CHANGE = z
  .strictObject({
    agent: id,
    branch: branchName.optional().openapi({ description: 'default `main`' }),
    schema: schemaVersion,
    entries: z
      .array(z.strictObject({ kind: id, value: json, dependsOn: z.array(ref).optional() }))
      .optional(),
    patch: z.array(OPERATION).optional().openapi({
      description: 'of the state: all of it, or nothing. What it tests must still be so at the commit',
    }),
    dependsOn: z.array(ref).optional().openapi({ description: 'what all of it was derived from' }),
    seen: seen.optional(),
    overlays: z
      .record(z.string(), z.int().min(1))
      .optional()
      .openapi({ description: 'all overlays that its author went by, each with its version (OVL-3)' }),
    expect: EXPECT.optional(),
    reason: label.optional(),
    step: label.optional().openapi({ description: 'the step of its author that it is of' }),
    trace: label.optional().openapi({ description: 'W3C traceparent' }),
    ...waiting,
  })
  .openapi('Change', { description: 'Entries and a patch of the state, as one atomic change' })

export const WRITTEN = z
  .object({
    workflow: workflowId,
    branch: branchName,
    change: changeId.nullable().openapi({ description: 'null when the patch changed nothing' }),
    entries: z.array(entryId).readonly(),
    position,
    heads,
    session,
  })
  .openapi('Written')
