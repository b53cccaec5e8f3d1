import {
  type Node,
  OVERLAY_WORKFLOW,
  type OverlaysNote,
  remakeWindow,
  type ToldOverlay,
  WeftError,
  type Window,
  type WindowRecord,
} from '@weft/core'
import { o200k } from '@weft/replica'
import type { Command } from 'commander'
import { usage } from '../base/failure.js'
import { printable } from '../base/text.js'
import { withExamples, withJson, withSource } from '../settings/options.js'
import { type ContextCopy, findChange, sha256 } from '../logs/context-copy.js'
import { publishedIn } from '../formats/overlay-log.js'
import type { Cli } from '../cli/cli.js'
import { type Definitions, NO_DEFINITIONS, readDefinitions, renderersOf } from '../cli/definitions.js'
import { readContext, readOverlays } from '../peers/source.js'

interface PromptFlags {
  readonly file?: string
  readonly definition?: string
  readonly window?: string
  readonly overlays?: string
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
    .option(
      '--overlays <file>',
      `with --file: an export of ${OVERLAY_WORKFLOW}, if the window tells overlays`,
    )
    .action(async (workflow: string, step: string, flags: PromptFlags, self: Command) => {
      const definitions =
        flags.definition === undefined ? NO_DEFINITIONS : await readDefinitions(cli, flags.definition)
      const copy = await readContext(cli, self, workflow)
      const node = findStep(copy, step)
      const record = recordOf(copy, node, flags.window)
      const told = record.overlays === undefined ? [] : await overlaysOf(cli, self, flags, definitions)
      const prompt = promptOf(copy, node, record, definitions, told)
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
    /** The versions of the overlays that it tells, by name. */
    readonly overlays: OverlaysNote
  }

interface NumberedRecord extends WindowRecord {
  readonly number: number
}

/** Of the windows of a step the one that is asked for, or the last. @throws WEFT_WINDOW_UNKNOWN */
function recordOf({ set }: ContextCopy, node: Node, asked: string | undefined): NumberedRecord {
  const { id, header } = set.change(node)
  const { windows = [] } = header.notes
  const number = Number(asked ?? windows.length)
  const record = windows[number - 1]
  if (record === undefined) throw noWindow(id, asked, windows.length)
  return { ...record, number }
}

/** All versions that were ever published, told as the definitions say. */
async function overlaysOf(
  cli: Cli,
  command: Command,
  { file, overlays }: PromptFlags,
  definitions: Definitions,
): Promise<ToldOverlay[]> {
  if (file !== undefined && overlays === undefined)
    throw usage(
      'the window tells overlays, and they are not in the export of a workflow',
      `export them too (weft export ${OVERLAY_WORKFLOW} -o overlays.jsonl), and pass --overlays overlays.jsonl`,
    )
  const published = publishedIn(await readOverlays(cli, command, overlays))
  return published.map(version => ({ ...version, render: definitions.overlays.get(version.name) }))
}

function promptOf(
  copy: ContextCopy,
  node: Node,
  record: NumberedRecord,
  definitions: Definitions,
  overlays: readonly ToldOverlay[],
): Prompt {
  const { id, header } = copy.set.change(node)
  const { step = null, schema } = header.notes
  const renderers = renderersOf(definitions, schema)
  const { tokens, digest, included, leftOut, text } = remakeWindow(copy.set, node, record, {
    counters: [o200k, ...definitions.counters],
    renderers,
    overlays,
    hash: sha256,
  })
  const { budget, as, count, number: window } = record
  const told = record.overlays ?? {}
  return {
    change: id,
    step,
    window,
    budget,
    as,
    count,
    tokens,
    overlays: told,
    digest,
    included,
    leftOut,
    text,
  }
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
