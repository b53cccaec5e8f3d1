import type { Trace, TraceMessage } from '@weft/cli'

/** What a tool answered, and to which call. */
export interface Recorded {
  readonly tool: string
  /** The tool with its arguments. */
  readonly call: string
  readonly message: TraceMessage
}

interface Call {
  readonly id: string
  readonly name: string
  readonly given: string
}

/** The answers of tools in a run, in order, as far as it says which call they belong to. */
export function toolAnswers({ messages }: Pick<Trace, 'messages'>): Recorded[] {
  const calls = new Map<string, Call>()
  const answers: Recorded[] = []
  for (const message of messages) {
    for (const call of callsOf(message)) {
      const read = readCall(call)
      if (read) calls.set(read.id, read)
    }
    const call = message.role === 'tool' ? calls.get(String(message.tool_call_id)) : undefined
    if (call) answers.push({ tool: toolName(call.name), call: `${call.name} ${call.given}`, message })
  }
  return answers
}

/** The tool calls of a message. Of a recorded one, no more is certain than its role. */
export function callsOf({ tool_calls }: TraceMessage): readonly unknown[] {
  return Array.isArray(tool_calls) ? tool_calls : []
}

function readCall(call: unknown): Call | undefined {
  const { id, function: called } = (call ?? {}) as { id?: unknown; function?: Record<string, unknown> | null }
  if (typeof id !== 'string' || typeof called?.name !== 'string') return undefined
  return { id, name: called.name, given: JSON.stringify(called.arguments ?? null) }
}

/** As it can stand in the name of something outside. */
function toolName(name: string): string {
  return name.replace(/[^\w.-]+/g, '-').slice(0, 100) || 'tool'
}
