import {
  type Change,
  checkAnyWorkflow,
  decodeChange,
  digest,
  isWeftError,
  NO_NODE,
  WeftError,
} from '@weft/core'
import type { Command } from 'commander'
import { plural, shortId } from '../base/text.js'
import { withExamples, withJson, withPeer } from '../settings/options.js'
import type { Settings } from '../settings/resolve-settings.js'
import { type ContextCopy, sha256 } from '../logs/context-copy.js'
import { readExport } from '../formats/export-reader.js'
import { type Cli, required } from '../cli/cli.js'
import { type OpenContext, withContext } from '../peers/peer-client.js'
import { copyOf } from '../peers/source.js'

interface Imported {
  readonly workflow: string
  readonly changes: number
  readonly new: number
  /** Of the context at the peer, read back after the import. */
  readonly digest: string
  /** Whether the context holds exactly what the file holds. */
  readonly same: boolean
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('import')
    .description(
      'Bring an export into a running peer. The whole file is checked before anything is written, and the result is ' +
        'read back and compared by digest. Changes that are there already are not written again. Steps are held against the ' +
        'overlays that are in force there: bring @overlays in last.',
    )
    .argument('<file>', 'a file that `weft export` wrote')
    .option('--workflow <id>', 'workflow to import into (else the one in the file)')
    .action(async (file: string, flags: { workflow?: string }, self: Command) => {
      const source = await readExport(file, at => cli.output.progress(`checking ${file}: ${at}`))
      const workflow = checkAnyWorkflow(flags.workflow ?? source.workflow)
      cli.output.result(await importInto(cli, cli.settings(self), source, workflow), format)
    })
  withExamples(
    withJson(withPeer(command)),
    ['weft import wf-42.jsonl', 'into the workflow it came from'],
    ['weft import wf-42.jsonl --workflow wf-42-copy', 'into another one'],
  )
}

async function importInto(
  cli: Cli,
  settings: Settings,
  source: ContextCopy,
  workflow: string,
): Promise<Imported> {
  const changes = inLogOrder(source)
  const written = await withContext(cli, settings, workflow, async open => {
    const expected = unionWith(copyOf(open.context), source)
    const adopted = open.context.adopt(changes.map(({ bytes }) => bytes))
    await flush(cli, open, required(settings, 'timeout') * 1_000)
    return { adopted, expected }
  })
  // A fresh replica: what counts is what the peer serves, not what is in our memory.
  const read = await withContext(cli, settings, workflow, async ({ context }) => context.digest())
  if (read !== written.expected) throw differs(workflow, written.expected, read)
  return {
    workflow,
    changes: changes.length,
    new: written.adopted,
    digest: read,
    same: read === digest(source.set, sha256),
  }
}

/**
 * As the peer took them, what it never told of last: by causality alone a change could come after a lease that was
 * granted behind it, and be refused. But what erases others comes first: what has lost its content is taken only then.
 */
function inLogOrder({ set, index }: ContextCopy): readonly Change[] {
  const placeOf = ({ id, header }: Change): number =>
    header.notes.erases === undefined ? (index.positionOf(id) ?? Number.MAX_SAFE_INTEGER) : 0
  return [...set.everything().flatten()].map(node => set.change(node)).sort((a, b) => placeOf(a) - placeOf(b))
}

/** The digest that the context must have when everything in the file is there too. */
function unionWith(present: ContextCopy, { set }: ContextCopy): string {
  for (const node of set.everything().flatten()) {
    const { id, bytes } = set.change(node)
    if (present.set.dag.find(id) === NO_NODE) present.set.add(decodeChange(bytes, sha256), true)
  }
  return digest(present.set, sha256)
}

/** Waits as long as acknowledgements keep coming: a large file takes longer than any fixed time. */
async function flush(
  { output }: Cli,
  { context, replica, trouble }: OpenContext,
  timeout_ms: number,
): Promise<void> {
  const left = (): number => replica.unacknowledged.reduce((sum, { changes }) => sum + changes.length, 0)
  for (let before = left(); before > 0; before = left()) {
    output.progress(`writing: ${before} to go`)
    try {
      await context.flush({ timeout_ms })
    } catch (error) {
      if (left() >= before) throw error
    }
  }
  const failure = trouble()
  if (failure !== undefined) throw explained(failure)
}

/** Nobody can run again what is imported. */
function explained(failure: unknown): unknown {
  if (!isWeftError(failure) || failure.code !== 'WEFT_OVERLAY_STALE') return failure
  return new WeftError(
    failure.code,
    failure.message,
    'import into a tenant in which no overlay binds steps yet, and @overlays after its workflows; or `weft restore` a backup',
    failure.details,
  )
}

function differs(workflow: string, expected: string, found: string): WeftError {
  return new WeftError(
    'WEFT_CHANGE_MALFORMED',
    `${workflow} has digest ${shortId(found)} after the import, where ${shortId(expected)} was expected`,
    'if somebody wrote to it meanwhile, import again; else run `weft verify` on it',
    { expected, found },
  )
}

function format({ workflow, changes, new: added, digest: sum, same }: Imported): string[] {
  return [
    `${workflow}: ${plural(changes, 'change')} in the file, ${added} new, digest ${shortId(sum)}` +
      (same ? ' as in the file' : ' (the context holds more than the file)'),
  ]
}
