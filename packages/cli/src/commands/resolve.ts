import { resolve as resolvePath } from 'node:path'
import {
  type AgentId,
  type BranchName,
  type ChangeId,
  type Conflict,
  type ConflictValue,
  type Json,
  MAIN_BRANCH,
  type Position,
  pointersTouch,
  sayWritten,
} from '@weft/core'
import { contextOf, NO_SCHEMAS, readSchemas } from '@weft/gateway/parts'
import type { Command } from 'commander'
import { usage } from '../base/failure.js'
import { jsonFlag } from '../base/json-flag.js'
import { clip, plural, printable, shortId } from '../base/text.js'
import { withExamples, withJson, withPeer, withSettings } from '../settings/options.js'
import type { Settings } from '../settings/resolve-settings.js'
import { checkBranch, schemaOf } from '../logs/context-copy.js'
import { formatConflict } from '../formats/show-format.js'
import { type Cli, required } from '../cli/cli.js'
import { withContext } from '../peers/peer-client.js'
import { copyOf } from '../peers/source.js'

interface Flags {
  readonly branch: BranchName
  readonly agent: AgentId
  readonly take?: string
  readonly value?: string
  readonly delete?: true
  readonly reason?: string
}

interface Resolved {
  readonly workflow: string
  readonly branch: BranchName
  readonly pointer: string
  /** What stands there by it; absent where that was deleted. */
  readonly value?: Json
  /** The values that it settled; none when the same agent had settled the same before. */
  readonly settled: readonly ConflictValue[]
  readonly change: ChangeId
  readonly position: Position
  /** What is open there still: values that its author had not seen. */
  readonly open: readonly Conflict[]
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('resolve')
    .description(
      'Settle what is in conflict at a pointer of the state: with one of its values, another one, or nothing. It is a change ' +
        'like any other, after all the values: whoever looks finds who settled what, and why. What came since stays open.',
    )
    .argument('<workflow>', 'workflow that the conflict is in')
    .argument('<at>', 'where it is: a pointer, as `weft conflicts --json` has it: /format')
    .option('--take <change>', 'the value that was written by this change; the beginning of its id will do')
    .option('--value <json>', 'another value')
    .option('--delete', 'what is there goes')
    .option('--reason <text>', 'why, for people')
    .option('--branch <name>', 'the branch to settle it on', MAIN_BRANCH)
    .option('--agent <id>', 'in whose name', 'weft-cli')
    .action(async (workflow: string, pointer: string, flags: Flags, self: Command) => {
      if ([flags.take, flags.value, flags.delete].filter(each => each !== undefined).length !== 1) {
        throw usage(
          'say what is to stand there: --take, --value or --delete',
          `\`weft conflicts ${workflow}\` shows the values, and the changes that wrote them`,
        )
      }
      cli.output.result(await settle(cli, cli.settings(self), workflow, pointer, flags), format)
    })
  withExamples(
    withJson(withSettings(withPeer(command), 'schemas')),
    ['weft resolve wf-42 /format --take 3fa9c1d2 --reason "the customer asked for it"', 'one of the values'],
    [
      `weft resolve wf-42 /format --value '"pdf"' --schemas ./research.mjs`,
      'another one, held against the definition',
    ],
  )
}

function settle(
  cli: Cli,
  settings: Settings,
  workflow: string,
  pointer: string,
  { branch, agent, reason, ...flags }: Flags,
): Promise<Resolved> {
  const timeout_ms = required(settings, 'timeout') * 1_000
  const value = flags.value === undefined ? undefined : jsonFlag('--value', flags.value)
  return withContext(cli, settings, workflow, async ({ context, replica }) => {
    const { schemas: named } = settings
    const schemas = named === undefined ? NO_SCHEMAS : await readSchemas(resolvePath(cli.cwd, named.value))
    const copy = copyOf(context)
    const schema = schemaOf(
      copy,
      checkBranch(copy, branch),
      'settle it from a worker, which knows its definition',
    )
    const handle = await replica.open(contextOf(schemas, schema), { workflow, branch, agent, timeout_ms })
    const there = handle.conflicts().filter(conflict => pointersTouch(conflict.pointer, pointer))
    const settled = there.flatMap(({ values }) => values)
    const wanted = flags.take === undefined ? value : valueTaken(pointer, settled, flags.take)
    const options = { timeout_ms, ...(reason !== undefined && { reason }) }
    const { change, position, isNew } = await handle.proposeResolution(pointer, wanted, options)
    return {
      workflow,
      branch,
      pointer,
      ...(wanted !== undefined && { value: wanted }),
      settled: isNew ? settled : [],
      change: change!,
      position,
      open: handle.conflicts().filter(conflict => pointersTouch(conflict.pointer, pointer)),
    }
  })
}

/** What a change wrote at the pointer; undefined for a deletion. @throws WEFT_USAGE when it is not one of the values there */
function valueTaken(pointer: string, values: readonly ConflictValue[], text: string): Json | undefined {
  const there = values.filter(value => value.pointer === pointer)
  if (there.length === 0) {
    const others = [...new Set(values.map(value => value.pointer))]
    throw usage(
      `no value in conflict is at ${pointer}`,
      others.length > 0
        ? `there are at ${others.join(', ')}: name one of these, or say what is to stand at ${pointer} with --value`
        : '`weft conflicts` shows what is open, and who settled what',
    )
  }
  const [found, other] = there.filter(({ change }) => change.startsWith(text))
  if (found !== undefined && other === undefined) return found.value
  const choice = there.map(value => `${shortId(value.change)} (${said(value.value)}, by ${value.agent})`)
  throw usage(
    `${found ? 'several values' : 'no value'} in conflict at ${pointer} came with a change ${text}`,
    `take one of: ${choice.join(', ')}`,
  )
}

function said(value: Json | undefined): string {
  return clip(JSON.stringify(value) ?? 'deleted', 60)
}

function format({ branch, pointer, value, settled, change, position, open }: Resolved): string[] {
  const what = `${printable(sayWritten(pointer)) || 'the whole state'} is ${said(value)}`
  const how = settled.length === 0 ? 'as it was settled before' : `of ${plural(settled.length, 'value')}`
  return [
    `${what}, ${how}, on ${branch} by ${shortId(change)}, at position ${position}`,
    ...(open.length === 0 ? [] : ['still open there:', ...open.flatMap(formatConflict)]),
  ]
}
