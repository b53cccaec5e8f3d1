import { z } from '@hono/zod-openapi'
import { branchName, changeId, entryId, heads, id, manifestRef, pointer, position, time } from './fields.js'

export const committedAt = position.nullable().openapi({ description: 'of its change in the committed log' })
const erased = z
  .object({
    by: changeId.nullable(),
    agent: id.optional(),
    time: time.optional(),
    reason: z.string().optional(),
  })
  .openapi('Erased', { description: 'that content was erased: by which change, whose, when and why' })
const manifest = z.array(manifestRef).readonly().openapi({ description: 'what it was derived from' })

export const ENTRY = z
  .object({
    id: entryId,
    kind: id,
    value: z.unknown().openapi({ description: 'null where it was erased' }),
    tier: z.string(),
    change: changeId,
    branch: branchName,
    agent: id,
    actor: z.string(),
    lamport: z.int(),
    time,
    reads: manifest,
    erased: erased.optional(),
    position: committedAt,
  })
  .openapi('Entry')

export const RECORD = z
  .object({
    change: changeId,
    position: committedAt,
    branch: branchName,
    agent: id,
    actor: z.string(),
    seq: z.int(),
    lamport: z.int(),
    time,
    deps: heads,
    entries: z.array(ENTRY.omit({ position: true })).readonly(),
    pointers: z.array(pointer).readonly().openapi({ description: 'pointers of the state that it wrote' }),
    moved: z
      .array(z.object({ list: pointer, from: z.int(), removes: z.boolean() }))
      .readonly()
      .optional()
      .openapi({
        description:
          'lists in which it put in or took out something, and so moved the items from an index on',
      }),
    reads: manifest,
    reason: z.string().optional(),
    reverts: heads,
    revertedBy: heads,
    erased: erased.optional(),
    erases: heads,
    forks: z.array(branchName).readonly(),
    merges: z.array(branchName).readonly(),
    abandons: z.array(branchName).readonly(),
    lease: z
      .object({ on: z.string(), epoch: z.int(), ttl_ms: z.int(), final: z.boolean().optional() })
      .optional(),
  })
  .openapi('AuditRecord', { description: 'One change: who wrote what, when, why and from what' })
