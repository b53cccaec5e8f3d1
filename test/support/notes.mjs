import { defineContext } from '@weft/replica'
import { z } from 'zod'

/** What is written in the tests of what stays in memory. */
export const Notes = defineContext({
  name: 'notes',
  version: 1,
  state: z.record(z.string(), z.string()),
  initial: {},
  entries: { message: z.object({ text: z.string() }) },
})
