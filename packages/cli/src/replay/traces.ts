import { checkBranch, checkWorkflow, isWeftError, MAIN_BRANCH, reasonOf, WeftError } from '@weft/core'
import { whyNotPlayable } from './playable.js'
import type { TraceMessage } from './trace-message.js'

/** One recorded run: an attempt at a workflow. */
export interface Trace {
  readonly workflow: string
  readonly branch: string
  readonly messages: readonly TraceMessage[]
}

/** A workflow with its parallel attempts, and the messages that all of them begin with. */
export interface FanOut {
  readonly workflow: string
  readonly shared: readonly TraceMessage[]
  readonly attempts: readonly { readonly branch: string; readonly messages: readonly TraceMessage[] }[]
}

/** What editors of some systems put before the text of a file. */
const BYTE_ORDER_MARK = /^\ufeff/
const ONE_RUN_A_LINE =
  'write one JSON object a line: {"workflow": id, "branch": id, "messages": [{"role": …}, …]}'

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
        throw badLine(
          file,
          index + 1,
          `${trace.workflow} has an attempt ${trace.branch} already`,
          'give each run of a workflow a branch of its own',
        )
      seen.add(key)
      traces.push(trace)
    })
  if (traces.length === 0) throw badFile(file, 'there is no run in it')
  return traces
}

/** Runs of one workflow, in order of appearance, their common beginning taken out; a run that is alone has none. */
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

/** How much all attempts begin with. Something is played on a branch even if nothing tells one attempt from another. */
function sharedLength(runs: readonly (readonly string[])[]): number {
  if (runs.length === 1) return 0
  const first = runs[0]!
  const most = Math.min(first.length, Math.max(...runs.map(run => run.length)) - 1)
  let length = 0
  while (length < most && runs.every(run => run[length] === first[length])) length++
  return length
}

function parseLine(line: string, file: string, number: number): Trace {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw badLine(file, number, `it is not JSON: ${reasonOf(error)}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badLine(file, number, 'it is not an object')
  const { workflow, branch, messages } = value as Partial<Trace>
  try {
    checkWorkflow(workflow)
    checkBranch(branch)
  } catch (error) {
    throw badLine(file, number, reasonOf(error), isWeftError(error) ? error.cure : undefined)
  }
  if (branch === MAIN_BRANCH) {
    const reason = 'the branch main is the one that attempts are merged into'
    throw badLine(file, number, reason, 'choose another name')
  }
  if (!Array.isArray(messages)) throw badLine(file, number, 'it has no list of messages')
  for (const [index, message] of messages.entries()) checkMessage(message, index, file, number)
  return { workflow: workflow!, branch: branch!, messages }
}

function checkMessage(message: unknown, index: number, file: string, line: number): void {
  const { role } = (message ?? {}) as Partial<TraceMessage>
  if (typeof role !== 'string') throw badLine(file, line, `message ${index + 1} is not an object with a role`)
  const reason = whyNotPlayable(message as TraceMessage, index)
  if (reason === undefined) return
  const cure = 'shorten or split that message, or leave out what it cannot carry'
  throw badLine(file, line, `message ${index + 1} ${reason}`, cure)
}

/** A line that cannot be played. */
export function badLine(file: string, line: number, reason: string, cure = ONE_RUN_A_LINE): WeftError {
  return new WeftError('WEFT_FILE_INVALID', `line ${line} of ${file} is not a run: ${reason}`, cure, {
    file,
    line,
  })
}

/** A file that cannot be played as a whole. */
export function badFile(file: string, reason: string, cure = 'pass a file with one run a line'): WeftError {
  return new WeftError('WEFT_FILE_INVALID', `${file} cannot be replayed: ${reason}`, cure, { file })
}
