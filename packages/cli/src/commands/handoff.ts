import { readFile } from 'node:fs/promises'
import {
  type Address,
  checkCarriedOver,
  checkReceiver,
  formatAddress,
  type Handoff,
  type Json,
  MAIN_BRANCH,
  type Position,
  readHandoff,
  reasonOf,
  sealHandoff,
  WeftError,
} from '@weft/core'
import type { Command } from 'commander'
import { usage } from '../base/failure.js'
import { jsonFlag } from '../base/json-flag.js'
import { plural } from '../base/text.js'
import { withExamples, withJson, withSource } from '../settings/options.js'
import { checkBranch, type ContextCopy, schemaOf, sha256 } from '../logs/context-copy.js'
import { type Cli, required } from '../cli/cli.js'
import { withContext } from '../peers/peer-client.js'
import { copyOf, readContext } from '../peers/source.js'

interface Flags {
  readonly agent?: string
  readonly branch: string
  readonly carry?: string
  readonly check?: string
  readonly file?: string
}

/** A handoff that holds, and against what it was held. */
interface Checked {
  readonly address: string
  readonly branch: string
  readonly heads: readonly string[]
  readonly schema: Handoff['schema']
  readonly epoch: number | null
  readonly carried: Json
  readonly against: 'peer' | 'export'
  /** Changes that were committed after it was made. */
  readonly since: number
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('handoff')
    .description(
      'Hands a branch over: prints the artifact that `replica.resume` takes, signed by the peer. With --check: whether\n' +
        'one holds, of its checksum, tenant, session and heads.',
    )
    .argument('<workflow>', 'workflow to hand over')
    .option('--agent <id>', 'whose turn it was; needed to make one')
    .option('--branch <name>', 'the branch to hand over', MAIN_BRANCH)
    .option('--carry <json>', 'what the next worker is to have beside the context')
    .option('--check <artifact>', 'check the artifact in this file instead of making one')
    .action(async (workflow: string, flags: Flags, self: Command) => {
      if (flags.check !== undefined) {
        cli.output.result(await check(cli, self, workflow, flags, flags.check), formatChecked)
        return
      }
      cli.output.result(await make(cli, self, workflow, flags), handoff => [JSON.stringify(handoff)])
    })
  withExamples(
    withJson(withSource(command)),
    ['weft handoff wf-42 --agent planner > job.json', 'hand over what main shows now'],
    ['weft handoff wf-42 --check job.json', 'whether a worker could resume it, on the peer'],
    ['weft handoff wf-42 --check job.json --file wf-42.jsonl', 'the same of an export, but for its session'],
  )
}

async function make(cli: Cli, command: Command, workflow: string, flags: Flags): Promise<Handoff> {
  const { agent, branch, carry, file } = flags
  if (file !== undefined)
    throw usage('an export cannot sign a session', 'ask a peer, or add --check to check one')
  if (agent === undefined) throw usage('--agent is missing', 'name whose turn it was: --agent planner')
  const carried = carry === undefined ? null : jsonFlag('--carry', carry)
  return withContext(cli, cli.settings(command), workflow, async ({ context, replica }) => {
    const session = await context.token()
    const copy = copyOf(context)
    checkBranch(copy, branch)
    const address = { tenant: replica.tenant!, workflow, agent, position: copy.index.position }
    return sealHandoff(
      {
        address: formatAddress(address),
        branch,
        heads: copy.set.heads(branch),
        schema: schemaOf(
          copy,
          branch,
          'hand it over from a worker, with `context.handoff()`: it knows its definition',
        ),
        session,
        overlays: null,
        epoch: null,
        carried,
      },
      sha256,
    )
  })
}

async function check(
  cli: Cli,
  command: Command,
  workflow: string,
  { file }: Flags,
  artifact: string,
): Promise<Checked> {
  const handoff = readHandoff(await readText(artifact), sha256)
  if (handoff.from.workflow !== workflow) {
    throw usage(
      `${artifact} hands over ${handoff.from.workflow}, not ${workflow}`,
      `name ${handoff.from.workflow}`,
    )
  }
  if (file !== undefined) return held(handoff, await readContext(cli, command, workflow), 'export')
  const settings = cli.settings(command)
  return withContext(cli, settings, workflow, async ({ context, replica }) => {
    checkReceiver(handoff.from, replica.tenant)
    await context.reach(handoff.session, { timeout_ms: required(settings, 'timeout') * 1_000 })
    return held(handoff, copyOf(context), 'peer')
  })
}

function held(
  handoff: Handoff & { readonly from: Address },
  { index }: ContextCopy,
  against: Checked['against'],
): Checked {
  const positionOf = (id: string): Position | undefined => index.positionOf(id)
  checkCarriedOver(handoff, positionOf)
  const { address, branch, heads, schema, epoch, carried, from } = handoff
  return { address, branch, heads, schema, epoch, carried, against, since: index.position - from.position }
}

function formatChecked({
  address,
  branch,
  heads,
  schema,
  epoch,
  carried,
  against,
  since,
}: Checked): string[] {
  return [
    `${address} on branch ${branch}, ${plural(heads.length, 'head')}, schema ${schema.name}@${schema.version}`,
    epoch === null ? 'it had no lease' : `it gave its lease back at epoch ${epoch}`,
    carried === null
      ? 'nothing is carried beside the context'
      : `${JSON.stringify(carried).length} characters are carried`,
    `it holds, against the ${against}; ${plural(since, 'change')} came since`,
  ]
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new WeftError('WEFT_FILE_INVALID', `${path} cannot be read: ${reasonOf(error)}`, 'check the path', {
      file: path,
    })
  }
}
