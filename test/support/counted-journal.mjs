import { defineContext } from '@weft/replica'
import { z } from 'zod'

export const CountedJournal = defineContext({
  name: 'journal',
  version: 1,
  state: z.object({ count: z.record(z.string(), z.number()) }),
  entries: { line: z.string() },
  initial: { count: {} },
})
