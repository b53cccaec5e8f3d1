import { fanOutsOf, type Trace, type TraceMessage } from '@weft/cli'
import { WeftError } from '@weft/replica'
import { callsOf, type Recorded, toolAnswers } from './tool-answers.js'

/** An attempt at the workflow. */
export interface Attempt {
  readonly branch: string
  /** What was said and done in it, one text a message. Never empty. */
  readonly turns: readonly string[]
  /** What of that the agent said, or called, as far as anybody can tell: its last words come last. Never empty. */
  readonly answers: readonly string[]
}

/** What the seven mistakes are played on: ids and texts of recorded runs. */
export interface Workload {
  readonly workflow: string
  /** What the agent was told to go by, sentence by sentence. */
  readonly rules: readonly string[]
  /** The one of them that must not get lost. */
  readonly constraint: string
  /** Two attempts that run in parallel, their branches named differently. */
  readonly attempts: readonly [Attempt, Attempt]
  /** What an agent does once and not twice: a tool call of the first attempt. */
  readonly action: string
  /** Something outside that an agent reads, what it says at first and, later, instead. */
  readonly source: { readonly name: string; readonly before: string; readonly after: string }
}

/** The end of a longer run is played: that is where things are decided. */
const TURNS_MAX = 20
/** Longer messages are cut. */
const TEXT_CHARS_MAX = 20_000
const READS = /^(?:get|list|search|find|check|read|fetch|look|query)/i
const FORBIDS = /\b(?:never|not|must|only|at most|deny|no)\b/i

/** Picks a workload out of recorded runs. @throws WEFT_FILE_INVALID when no message is recorded in them */
export function workloadOf(traces: readonly Trace[], file: string): Workload {
  const runs = traces.filter(({ messages }) => messages.length > 0)
  if (runs.length === 0) throw nothingRecorded(file)
  const { workflow, attempts } = parallelAttempts(runs)
  const messages = runs.find(run => run.workflow === workflow)!.messages
  const rules = rulesOf(messages)
  return {
    workflow,
    rules,
    constraint: rules.findLast(rule => FORBIDS.test(rule)) ?? rules.at(-1)!,
    attempts,
    action: attempts[0].answers.findLast(isCall) ?? attempts[0].answers.at(-1)!,
    source: changingSource(runs),
  }
}

/** Two attempts at one workflow, beyond what both begin with; else two runs; else the only run, twice. */
function parallelAttempts(runs: readonly Trace[]): Pick<Workload, 'workflow' | 'attempts'> {
  for (const { workflow, attempts } of fanOutsOf(runs)) {
    const [first, second] = attempts.filter(({ messages }) => messages.length > 0)
    if (first && second) return { workflow, attempts: [played(first), played(second)] }
  }
  const [first, second = first] = runs as readonly [Trace, Trace?]
  const taken = first.branch === second.branch
  const other = first.branch === 'again' ? 'once-more' : 'again'
  return {
    workflow: first.workflow,
    attempts: [played(first), played(taken ? { ...second, branch: other } : second)],
  }
}

function played({ branch, messages }: Pick<Trace, 'branch' | 'messages'>): Attempt {
  const turns = messages.slice(-TURNS_MAX)
  const spoken = turns.filter(({ role }) => role === 'assistant')
  return { branch, turns: turns.map(textOf), answers: (spoken.length > 0 ? spoken : turns).map(textOf) }
}

/** The system prompt, or else what was said first, in pieces that can be followed or withdrawn by themselves. */
function rulesOf(messages: readonly TraceMessage[]): string[] {
  const told = messages.find(({ role }) => role === 'system') ?? messages[0]!
  const text = textOf(told)
  const pieces = text.split(/\n+|(?<=[.!?])\s+/).map(piece => piece.replace(/^[\s#*-]+/, '').trim())
  const rules = [...new Set(pieces.filter(piece => piece !== ''))]
  return rules.length > 0 ? rules : [text]
}

/** A tool that was asked twice and answered differently: best one that reads, and the same call. Else any two texts. */
function changingSource(runs: readonly Trace[]): Workload['source'] {
  const answers = runs.flatMap(toolAnswers)
  for (const among of [answers.filter(({ tool }) => READS.test(tool)), answers]) {
    const changed = answeredTwice(among, ({ call }) => call) ?? answeredTwice(among, ({ tool }) => tool)
    if (changed) return changed
  }
  const texts = [...new Set(runs.flatMap(({ messages }) => messages.map(textOf)))]
  const [before, after = `no longer: ${before}`] = texts as [string, string?]
  return { name: 'document', before, after }
}

function answeredTwice(
  answers: readonly Recorded[],
  keyOf: (answer: Recorded) => string,
): Workload['source'] | undefined {
  const firsts = new Map<string, string>()
  for (const answer of answers) {
    const key = keyOf(answer)
    const [before, after] = [firsts.get(key), textOf(answer.message)]
    if (before === undefined) firsts.set(key, after)
    else if (before !== after) return { name: answer.tool, before, after }
  }
  return undefined
}

/** What a message says: its text, its tool calls, or, where it has neither, all that is recorded of it. */
function textOf(message: TraceMessage): string {
  const calls = callsOf(message).map(callText)
  const said = contentText(message.content)
  const text = [said, ...calls].filter(part => part.trim() !== '').join(' ')
  return (text === '' ? JSON.stringify(message) : text)
    .slice(0, TEXT_CHARS_MAX)
    .replace(/\p{Surrogate}/gu, '')
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map(part => (typeof part?.text === 'string' ? part.text : JSON.stringify(part))).join(' ')
}

function callText(call: unknown): string {
  const { name, arguments: given } = (call as { function?: Record<string, unknown> } | null)?.function ?? {}
  return typeof name === 'string'
    ? `${name}(${typeof given === 'string' ? given : ''})`
    : JSON.stringify(call)
}

function isCall(text: string): boolean {
  return /^[\w.-]+\(.*\)$/s.test(text)
}

function nothingRecorded(file: string): WeftError {
  return new WeftError(
    'WEFT_FILE_INVALID',
    `${file} has runs, and not one message in them`,
    'pass a file with at least one recorded message',
    { file },
  )
}
