import { connect, defineContext, type Replica } from '@weft/replica'
import { onTestFinished } from 'vitest'
import { z } from 'zod'

/** What most tests of replicas write: a plan with constraints, and two kinds of entries. */
export const Research = defineContext({
  name: 'research',
  version: 1,
  state: z.object({
    plan: z.array(z.string()),
    constraints: z.record(z.string(), z.union([z.string(), z.number()])),
  }),
  entries: {
    message: z.object({ text: z.string().min(1) }),
    decision: z.object({ choice: z.string(), weight: z.number().default(1) }),
  },
  initial: { plan: ['begin'], constraints: {} },
})

/** The texts of the messages a handle sees, in order. */
export function textsOf(context: { entries(): readonly { kind: string; value: unknown }[] }): string[] {
  return context
    .entries()
    .flatMap(entry => (entry.kind === 'message' ? [(entry.value as { text: string }).text] : []))
}

/** A replica that never finds its peer: all it does is local. */
export async function offline(): Promise<Replica> {
  const replica = await connect({ url: 'ws://127.0.0.1:9', token: 'none', offline: true })
  onTestFinished(() => replica.close({ discard: true }))
  return replica
}

export async function openOffline(agent = 'planner') {
  return (await offline()).open(Research, { workflow: 'w', agent, offline: true })
}

/** A handle on a context of `Research`. */
export type Opened = Awaited<ReturnType<typeof openOffline>>
