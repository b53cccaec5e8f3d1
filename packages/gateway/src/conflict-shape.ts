import { z } from '@hono/zod-openapi'
import { type Conflict, pointersTouch } from '@weft/core'
import { branchName, changeId, id, json, pointer, time } from './fields.js'

export const CONFLICT = z
  .object({
    pointer: pointer.openapi({
      description:
        'where it is now. An item that its list holds no more has a mark there instead of an index, `~@12@…`: ' +
        'a resolution of that says no more than that it is gone',
    }),
    winner: json.optional().openapi({ description: 'what the state shows meanwhile' }),
    values: z
      .array(
        z.object({
          pointer,
          value: json.optional().openapi({ description: 'absent where it was deleted' }),
          change: changeId,
          actor: z.string(),
          agent: id,
          branch: branchName,
          time,
        }),
      )
      .readonly(),
    firstTime: time,
    lastTime: time,
  })
  .openapi('Conflict', { description: 'Concurrent writes that nobody has resolved; nothing of them is lost' })

/** Whether a conflict is at a pointer, above it or below it; the empty one stands for the whole state. */
export const isAbout =
  (pointer: string) =>
  (conflict: Conflict): boolean =>
    pointer === '' || pointersTouch(conflict.pointer, pointer)
