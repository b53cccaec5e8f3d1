import { defineContext } from '@weft/replica'
import { z } from 'zod'

/** What commands of the tests are run against; a module of its own, for those that are given one. */
export const Run = defineContext({
  name: 'run',
  version: 1,
  state: z.object({ format: z.string(), plan: z.array(z.string()) }),
  entries: { message: z.object({ text: z.string() }) },
  initial: { format: 'text', plan: [] },
})
