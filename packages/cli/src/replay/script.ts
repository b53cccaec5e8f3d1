import { type Context, defineContext, type StepResult } from '@weft/replica'
import { z } from 'zod'
import { toolCallsOf, type TraceMessage } from './trace-message.js'

const spoken = z.object({ at: z.number(), mark: z.string(), role: z.string(), content: z.unknown() })
const called = z.object({ at: z.number(), mark: z.string(), call: z.unknown() })
const returned = z.object({ at: z.number(), mark: z.string(), result: z.unknown() })

/**
 * A recorded agent run as a context. Every value carries the message's place in its run, by which another worker
 * resumes, and a mark of its tenant, by which its bytes are known wherever they turn up.
 */
export const AgentRun = defineContext({
  name: 'agent-run',
  version: 1,
  state: z.object({
    mark: z.string(),
    messages: z.number(),
    toolCalls: z.number(),
    lastTool: z.string(),
    outcome: z.string(),
  }),
  initial: { mark: '', messages: 0, toolCalls: 0, lastTool: '', outcome: 'running' },
  entries: { message: spoken, 'tool-call': called, 'tool-result': returned },
})

export type AgentRunContext = Context<
  typeof AgentRun extends { state: unknown } ? AgentRunState : never,
  typeof AgentRun.entries
>
export interface AgentRunState {
  mark: string
  messages: number
  toolCalls: number
  lastTool: string
  outcome: string
}

const LABEL_CHARS_MAX = 200

type Kind = keyof typeof AgentRun.entries

export interface PlayedEntry {
  readonly kind: Kind
  readonly value: { readonly at: number; readonly mark: string } & Record<string, unknown>
}

/** The entries that a message becomes: what was said, each tool call, a tool's result. */
export function entriesOf(message: TraceMessage, at: number, mark: string): PlayedEntry[] {
  const { role, content } = message
  if (role === 'tool') return [{ kind: 'tool-result', value: { at, mark, result: message } }]
  const calls = toolCallsOf(message).map(call => ({ kind: 'tool-call' as const, value: { at, mark, call } }))
  const silent = calls.length > 0 && (content === null || content === undefined || content === '')
  if (silent) return calls
  return [{ kind: 'message', value: { at, mark, role, content: content ?? null } }, ...calls]
}

/** A message of a run, where it stands in it, and whether it ends an attempt. */
export interface Turn {
  readonly message: TraceMessage
  readonly at: number
  /** Tool calls of the run up to here, this message's included. */
  readonly toolCalls: number
  readonly last: boolean
}

export function turnsOf(messages: readonly TraceMessage[], endsAttempt: boolean): Turn[] {
  let toolCalls = 0
  return messages.map((message, at) => {
    toolCalls += toolCallsOf(message).length
    return { message, at, toolCalls, last: endsAttempt && at === messages.length - 1 }
  })
}

/**
 * Plays one message as a step: its entries, and the state that all attempts edit at the same keys, as one change. The
 * last one looks at the outcome first, as a worker does that believes to be the only one.
 */
export function play(context: AgentRunContext, turn: Turn, mark: string): Promise<StepResult<void>> {
  const { message, at, toolCalls, last } = turn
  return context.step(`message ${at}`, step => {
    for (const { kind, value } of entriesOf(message, at, mark)) step.append(kind, value as never)
    const finished = last && step.state.outcome === 'running'
    step.change(state => {
      state.mark = mark
      state.messages = at + 1
      state.toolCalls = toolCalls
      if (message.role === 'tool' && typeof message.name === 'string') state.lastTool = label(message.name)
      if (finished) state.outcome = `${context.branch} done`
    })
  })
}

/** A name as the state can hold it: not all of one without end, and no half of a surrogate pair. */
function label(name: string): string {
  return name.slice(0, LABEL_CHARS_MAX).replace(/\p{Surrogate}/gu, '\ufffd')
}

/** Where to go on: the first message of the run that the branch does not hold yet. */
export function nextMessage(context: AgentRunContext): number {
  let next = 0
  for (const { branch, value } of context.entries()) {
    if (branch === context.branch) next = Math.max(next, (value as { at: number }).at + 1)
  }
  return next
}
