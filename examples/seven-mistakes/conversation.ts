import { type Context, defineContext } from '@weft/replica'
import { z } from 'zod'

const said = z.object({ by: z.string(), text: z.string() })

/** What the agents of all seven keep in common: what was said, what a tool answered, what was decided. */
export const Conversation = defineContext({
  name: 'conversation',
  version: 1,
  state: z.object({ constraints: z.array(z.string()), outcome: z.string() }),
  initial: { constraints: [], outcome: '' },
  entries: {
    message: said,
    answer: said,
    /** `rules`: the version of the rules that it was made under. */
    decision: said.extend({ rules: z.number().optional() }),
  },
})

export type ConversationContext = Context<
  { constraints: string[]; outcome: string },
  typeof Conversation.entries
>
