import { defineContext } from '@weft/replica'
import { z } from 'zod'

export const Journal = defineContext({
  name: 'journal',
  version: 1,
  entries: { line: z.string() },
})
