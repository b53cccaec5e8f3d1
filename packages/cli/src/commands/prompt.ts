import { type Node, remakeWindow, WeftError, type Window, type WindowRecord } from '@weft/core'
import { o200k } from '@weft/replica'
import type { Command } from 'commander'
import type { Cli } from '../cli.js'
import { type ContextCopy, findChange, sha256 } from '../context-copy.js'
import { type Definitions, NO_DEFINITIONS, readDefinitions, renderersOf } from '../definitions.js'
import { usage } from '../failure.js'
import { withExamples, withJson, withSource } from '../options.js'
import { readContext } from '../source.js'
import { printable } from '../text.js'

interface PromptFlags {
  readonly definition?: string
  readonly window?: string
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('prompt')
    .description(
      'The exact window that a past step handed to its model, made again and checked byte for byte.',
    )
    .argument('<workflow>', 'workflow to read')
    .argument('<step>', 'name of a step, if only one has it, or the id of its change, or the beginning of it')
    .option('--window <number>', 'of a step that made several, which one, from 1 (else the last)')
    .option('--definition <module>', 'a module that exports the definition and counters that the step used')
    .action(async (workflow: string, step: string, flags: PromptFlags, self: Command) => {
      const definitions =
        flags.definition === undefined ? NO_DEFINITIONS : await readDefinitions(cli, flags.definition)
      const copy = await readContext(cli, self, workflow)
      const prompt = promptOf(copy, findStep(copy, step), flags.window, definitions)
      // What agents wrote may hold escape sequences; only where no terminal would obey them are the bytes exact.
      const isTerminal = cli.output.columns !== undefined
      cli.output.result(prompt, ({ text }) => [isTerminal ? printable(text) : text])
    })
  withExamples(
    withJson(withSource(command)),
    ['weft prompt wf-42 "choose format"', 'what the model was given in the step of that name'],
    [
      'weft prompt wf-42 3fa9c1d2 --definition ./research.js',
      'with the renderers and counters of that module',
    ],
    [
      'weft prompt wf-42 3fa9c1d2 --file wf-42.jsonl --json',
      'the same of an export, with what was left out and why',
    ],
  )
}

type Prompt = Pick<Window, 'tokens' | 'digest' | 'included' | 'leftOut' | 'text'> &
  Pick<WindowRecord, 'budget' | 'as' | 'count'> & {
    readonly change: string
    readonly step: string | null
    readonly window: number
  }

function promptOf(
  copy: ContextCopy,
  node: Node,
  asked: string | undefined,
  definitions: Definitions,
): Prompt {
  const { id, header } = copy.set.change(node)
  const { windows = [], step = null, schema } = header.notes
  const number = Number(asked ?? windows.length)
  const record = windows[number - 1]
  if (record === undefined) throw noWindow(id, asked, windows.length)
  const renderers = renderersOf(definitions, schema)
  const { tokens, digest, included, leftOut, text } = remakeWindow(copy.set, node, record, {
    counters: [o200k, ...definitions.counters],
    renderers,
    hash: sha256,
  })
  const { budget, as, count } = record
  return { change: id, step, window: number, budget, as, count, tokens, digest, included, leftOut, text }
}

/** @throws WEFT_CHANGE_UNKNOWN · WEFT_USAGE when several are meant */
function findStep(copy: ContextCopy, text: string): Node {
  const { set } = copy
  const named: Node[] = []
  for (let node = 0; node < set.size; node++)
    if (set.change(node).header.notes.step === text) named.push(node)
  if (named.length > 1) {
    const ids = named.slice(-5).map(node => set.dag.id(node).slice(0, 12))
    throw usage(
      `${named.length} steps have the name ${JSON.stringify(text)}`,
      `name its change: ${ids.join(', ')}`,
    )
  }
  const node = named[0] ?? findChange(copy, text)
  if (node !== undefined) return node
  throw new WeftError(
    'WEFT_CHANGE_UNKNOWN',
    `${copy.workflow} has no step or change ${JSON.stringify(text.slice(0, 80))}`,
    '`weft log` lists the changes; write the whole name of a step, or at least 4 digits of an id',
  )
}

function noWindow(change: string, asked: string | undefined, count: number): WeftError {
  return new WeftError(
    'WEFT_WINDOW_UNKNOWN',
    `change ${change.slice(0, 12)} records ${count === 0 ? 'no window' : `${count} window(s), no ${asked}`}`,
    count === 0
      ? 'name a step that asked for one with `step.window`: only those are recorded'
      : `pass --window with a number from 1 to ${count}`,
    { change, count },
  )
}
