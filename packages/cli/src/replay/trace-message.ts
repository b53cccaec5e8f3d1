/** A chat message as recorded; only `role` is looked at, all of it is kept. */
export interface TraceMessage {
  readonly role: string
  readonly content?: unknown
  readonly tool_calls?: unknown
  readonly [key: string]: unknown
}

/** The calls in a message; what is no list holds none. */
export function toolCallsOf({ tool_calls }: TraceMessage): readonly unknown[] {
  return Array.isArray(tool_calls) ? tool_calls : NO_CALLS
}

const NO_CALLS: readonly never[] = []
