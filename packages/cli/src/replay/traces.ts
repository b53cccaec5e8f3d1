import { checkBranch, checkWorkflow, LIMITS, MAIN_BRANCH, reasonOf, WeftError } from '@weft/core'

/** A chat message as recorded; only `role` is looked at, all of it is kept. */
export interface TraceMessage {
  readonly role: string
  readonly content?: unknown
  readonly tool_calls?: unknown
  readonly [key: string]: unknown
}

/** One recorded run: an attempt at a workflow. */
export interface Trace {
  readonly workflow: string
  readonly branch: string
  readonly messages: readonly TraceMessage[]
}

/** The calls in a message; what is no list holds none. */
export function toolCallsOf({ tool_calls }: TraceMessage): readonly unknown[] {
  return Array.isArray(tool_calls) ? tool_calls : NO_CALLS
}

const NO_CALLS: readonly never[] = []

/** A workflow with its parallel attempts, and the messages that all of them begin with. */
export interface FanOut {
  readonly workflow: string
  readonly shared: readonly TraceMessage[]
  readonly attempts: readonly { readonly branch: string; readonly messages: readonly TraceMessage[] }[]
}

/** What editors of some systems put before the text of a file. */
const BYTE_ORDER_MARK = /^\ufeff/
/** Of one message, as JSON: the header of its change, and the marks of its entries, have room beside it. */
const MESSAGE_BYTES_MAX = LIMITS.change_bytes_max - LIMITS.header_bytes_max - 1_024

/** Reads one run a line. @throws WEFT_FILE_INVALID, naming the line */
export function parseTraces(text: string, file: string): Trace[] {
  const traces: Trace[] = []
  const seen = new Set<string>()
  text
    .replace(BYTE_ORDER_MARK, '')
    .split('\n')
    .forEach((line, index) => {
      if (line.trim() === '') return
      const trace = parseLine(line, file, index + 1)
      const key = `${trace.workflow}:${trace.branch}`
      if (seen.has(key))
        throw badLine(file, index + 1, `${trace.workflow} has an attempt ${trace.branch} already`)
      seen.add(key)
      traces.push(trace)
    })
  if (traces.length === 0) throw badFile(file, 'there is no run in it')
  return traces
}

/** Runs of one workflow, in order of appearance, their common beginning taken out. */
export function fanOutsOf(traces: readonly Trace[]): FanOut[] {
  const byWorkflow = new Map<string, Trace[]>()
  for (const trace of traces) {
    const others = byWorkflow.get(trace.workflow)
    if (others) others.push(trace)
    else byWorkflow.set(trace.workflow, [trace])
  }
  return [...byWorkflow].map(([workflow, runs]) => {
    const length = sharedLength(runs.map(run => run.messages.map(message => JSON.stringify(message))))
    return {
      workflow,
      shared: runs[0]!.messages.slice(0, length),
      attempts: runs.map(({ branch, messages }) => ({ branch, messages: messages.slice(length) })),
    }
  })
}

function sharedLength(runs: readonly (readonly string[])[]): number {
  const first = runs[0]!
  let length = 0
  while (length < first.length && runs.every(run => run[length] === first[length])) length++
  return length
}

function parseLine(line: string, file: string, number: number): Trace {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw badLine(file, number, `it is not JSON: ${reasonOf(error)}`)
  }
  if (typeof value !== 'object' || value === null) throw badLine(file, number, 'it is not an object')
  const { workflow, branch, messages } = value as Partial<Trace>
  try {
    checkWorkflow(workflow)
    checkBranch(branch)
  } catch (error) {
    throw badLine(file, number, reasonOf(error))
  }
  if (branch === MAIN_BRANCH)
    throw badLine(file, number, 'the branch main is the one that attempts are merged into')
  if (!Array.isArray(messages)) throw badLine(file, number, 'it has no list of messages')
  messages.forEach((message: unknown, index) => {
    const reason = whyNoMessage(message)
    if (reason !== undefined) throw badLine(file, number, `message ${index + 1} ${reason}`)
  })
  return { workflow: workflow!, branch: branch!, messages }
}

function whyNoMessage(message: unknown): string | undefined {
  const { role } = (message ?? {}) as Partial<TraceMessage>
  if (typeof role !== 'string') return 'is not an object with a role'
  const bytes = Buffer.byteLength(JSON.stringify(message))
  if (bytes > MESSAGE_BYTES_MAX) return `has ${bytes} bytes; at most ${MESSAGE_BYTES_MAX} fit into a change`
  return undefined
}

function badLine(file: string, line: number, reason: string): WeftError {
  return new WeftError(
    'WEFT_FILE_INVALID',
    `line ${line} of ${file} is not a run: ${reason}`,
    'write one JSON object a line: {"workflow": id, "branch": id, "messages": [{"role": …}, …]}',
    { file, line },
  )
}

function badFile(file: string, reason: string): WeftError {
  return new WeftError(
    'WEFT_FILE_INVALID',
    `${file} cannot be replayed: ${reason}`,
    'pass a file with one run a line',
    { file },
  )
}
