import { z } from '@hono/zod-openapi'
import { LIMITS } from '@weft/core'
import {
  branchName,
  changeId,
  heads,
  id,
  label,
  position,
  schemaVersion,
  session,
  workflowId,
} from './fields.js'
import { waiting } from './route-parts.js'

/** The peer decides on so many at once, and so either all of them begin or none does. */
const FORKS_MAX = 16

export const aboutWriting = {
  agent: id,
  branch: branchName.optional().openapi({ description: 'default `main`' }),
  schema: schemaVersion,
  reason: label.optional(),
  ...waiting,
}

function names(max: number, description: string) {
  return z
    .array(branchName)
    .min(1)
    .max(max)
    .refine(all => new Set(all).size === all.length, 'one name stands there twice')
    .openapi({ uniqueItems: true, description })
}

export const BRANCH = z
  .object({
    name: branchName,
    state: z.enum(['open', 'empty', 'merged', 'abandoned']).openapi({
      description:
        '`open`: it holds what is on no other branch, or is `main`; `empty`: nothing was written on it since it began; ' +
        '`merged`: all that was written on it is on another branch too; `abandoned`: ended, and not gone on with',
    }),
    heads,
  })
  .openapi('Branch')

export const FORK = z
  .strictObject({
    ...aboutWriting,
    branch: branchName.optional().openapi({ description: 'what they are forked from; default `main`' }),
    branches: names(FORKS_MAX, 'the new ones, in their order: that of what is on them when they are merged'),
    at: z
      .union([position, z.array(changeId).max(LIMITS.deps_max)])
      .optional()
      .openapi({
        description: 'begin there, and not at the present: a position, or heads that the branch shows',
      }),
  })
  .openapi('Fork')

export const FORKED = z
  .object({
    workflow: workflowId,
    branch: branchName,
    change: changeId,
    branches: z.array(BRANCH).readonly(),
    position,
    heads,
    session,
  })
  .openapi('Forked')

export const MERGE = z
  .strictObject({
    ...aboutWriting,
    branch: branchName.optional().openapi({ description: 'what they are merged into; default `main`' }),
    branches: names(LIMITS.branches_per_change_max, 'what is merged, all of it that is durable'),
  })
  .openapi('Merge')

export const ABANDON = z
  .strictObject({
    agent: id,
    branches: names(LIMITS.branches_per_change_max, 'which').optional(),
    unmerged: z.literal(true).optional().openapi({
      description: 'instead: all that are open, but `main`; those that are empty are not among them',
    }),
    reason: label.optional(),
    ...waiting,
  })
  .openapi('Abandonment')

export const ABANDONED = z
  .object({
    workflow: workflowId,
    branches: z
      .array(branchName)
      .readonly()
      .openapi({ description: 'those that were ended by this request' }),
    changes: z.array(changeId).readonly(),
    position,
    session,
  })
  .openapi('Abandoned')
