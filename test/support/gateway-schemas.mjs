import { defineContext, defineOverlay } from '@weft/replica'
import { z } from 'zod'

/** What a gateway of the tests holds writes against. */
export const Research = defineContext({
  name: 'research',
  version: 2,
  state: z.object({ plan: z.array(z.string()), constraints: z.record(z.string(), z.unknown()) }),
  entries: { message: z.object({ text: z.string().min(1) }), note: z.object({ text: z.string() }) },
  initial: { plan: ['begin'], constraints: {} },
  migrations: { 2: old => ({ constraints: {}, ...old }) },
  render: { note: ({ text }) => ({ role: 'system', content: `note: ${text}` }) },
  pinned: ['note'],
})

export const House = defineOverlay('house', z.object({ tone: z.enum(['warm', 'plain']) }), {
  render: ({ tone }) => `speak in a ${tone} tone`,
})

/** Ends the thread, or the process, that a value of it is validated in. */
const dies = {
  '~standard': {
    version: 1,
    vendor: 'weft-test',
    validate: value => (value === 'die' ? process.exit(3) : { value }),
  },
}

export const Fatal = defineContext({ name: 'fatal', version: 1, entries: { order: dies } })
