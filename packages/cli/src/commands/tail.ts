import { checkWorkflow, type ContextEvent, type Filter, type Position } from '@weft/core'
import { cloudEvent } from '@weft/peer'
import type { Command } from 'commander'
import { usage } from '../base/failure.js'
import { clip, shortId } from '../base/text.js'
import { withExamples, withJson, withPeer } from '../settings/options.js'
import { describeChange } from '../formats/log-format.js'
import type { Cli } from '../cli/cli.js'
import { type OpenContext, withContext } from '../peers/peer-client.js'
import { noteEmpty } from '../peers/source.js'

interface TailFlags {
  readonly from?: string
  readonly follow?: true
  readonly kind?: readonly string[]
  readonly branch?: readonly string[]
  readonly ref?: readonly string[]
}

/** Shown when nobody says from where. */
const LAST = 10
const LINE_WIDTH = 200

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('tail')
    .description(
      'What happens in a context, one event a line, in the order of its committed log: the last 10, or all from a ' +
        'position on; with --follow also what happens from now on, until it is interrupted.',
    )
    .argument('<workflow>', 'workflow to follow')
    .option('--from <position>', 'begin at this position of the log')
    .option('--follow', 'go on as it happens')
    .option('--kind <kind...>', 'only changes with an entry of one of these kinds')
    .option('--branch <name...>', 'only what was written on one of these branches')
    .option('--ref <ref...>', 'only what wrote one of these refs: state:/pointer, ext:<uri>')
    .action(async (workflow: string, flags: TailFlags, self: Command) => {
      checkWorkflow(workflow)
      const from = parseFrom(flags.from)
      await withContext(cli, cli.settings(self), workflow, open => tail(cli, open, from, flags))
    })
  withExamples(
    withJson(withPeer(command), 'print one CloudEvent (JSON) a line'),
    ['weft tail wf-42 --follow', 'the last 10 events, and then what happens'],
    ['weft tail wf-42 --from 1 --kind decision --json', 'all decisions, for a program'],
  )
}

async function tail(
  cli: Cli,
  open: OpenContext,
  from: Position | undefined,
  flags: TailFlags,
): Promise<void> {
  const { context, replica } = open
  const filter = filterOf(flags)
  const show = (event: ContextEvent): void => {
    if (cli.json) cli.output.data(cloudEvent(replica.tenant!, context.workflow, event))
    else cli.output.line(formatEvent(event, cli.output.columns))
  }
  const known = await listed(context.events({ ...filter, from: from ?? 1, once: true }))
  const next = Math.max(context.position + 1, from ?? 1)
  if (context.position === 0) noteEmpty(cli, context.workflow)
  for (const event of from === undefined ? known.slice(-LAST) : known) show(event)
  if (!flags.follow) return
  const signal = AbortSignal.any([untilInterrupted(), cli.output.closed])
  for await (const event of context.events({ ...filter, from: next, signal })) show(event)
}

async function listed(events: AsyncIterable<ContextEvent>): Promise<ContextEvent[]> {
  const all: ContextEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

function formatEvent(event: ContextEvent, columns = LINE_WIDTH): string {
  const { position, change, branch, agent } = event
  const head = `${String(position).padStart(6)}  ${shortId(change)}  ${branch}  ${agent}  `
  return head + clip(describeChange(event), Math.max(20, columns - head.length))
}

function filterOf({ kind, branch, ref }: TailFlags): Filter {
  return { ...(kind && { kinds: kind }), ...(branch && { branches: branch }), ...(ref && { refs: ref }) }
}

/** Whoever follows ends it so, and is done. */
function untilInterrupted(): AbortSignal {
  const controller = new AbortController()
  const onSignal = (): void => controller.abort()
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  return controller.signal
}

/** @throws WEFT_USAGE */
function parseFrom(text: string | undefined): Position | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw usage(`--from ${JSON.stringify(text)} is not a position`, 'write a whole number from 1')
}
