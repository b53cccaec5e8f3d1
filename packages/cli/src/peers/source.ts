import { ChangeSet, CommitIndex, checkAnyWorkflow, decodeChange, OVERLAY_WORKFLOW } from '@weft/core'
import type { Command } from 'commander'
import { usage } from '../base/failure.js'
import { type ContextCopy, sha256 } from '../logs/context-copy.js'
import { readExport } from '../formats/export-reader.js'
import type { Cli } from '../cli/cli.js'
import { type AnyContext, withContext } from './peer-client.js'

/**
 * The context that a reading verb is asked about, from an export (`--file`) or from a running peer.
 * @throws as `withContext`, WEFT_FILE_INVALID · WEFT_ID_INVALID · WEFT_USAGE
 */
export async function readContext(cli: Cli, command: Command, workflow: string): Promise<ContextCopy> {
  checkAnyWorkflow(workflow)
  const { file } = command.opts<{ file?: string }>()
  const copy =
    file === undefined ? await fromPeer(cli, command, workflow) : await fromFile(cli, file, workflow)
  if (copy.set.size === 0) noteEmpty(cli, workflow)
  return copy
}

/** To whoever may have mistyped its name. */
export function noteEmpty(cli: Cli, workflow: string): void {
  cli.output.note(`${workflow} holds no changes: nobody has written to it yet`)
}

/** The log of the tenant's overlays, from an export of it or from a running peer. @throws as `readContext` */
export function readOverlays(cli: Cli, command: Command, file: string | undefined): Promise<ContextCopy> {
  if (file !== undefined) return fromFile(cli, file, OVERLAY_WORKFLOW)
  return fromPeer(cli, command, OVERLAY_WORKFLOW)
}

function fromPeer(cli: Cli, command: Command, workflow: string): Promise<ContextCopy> {
  return withContext(cli, cli.settings(command), workflow, async ({ context }) => copyOf(context))
}

async function fromFile(cli: Cli, file: string, workflow: string): Promise<ContextCopy> {
  const copy = await readExport(file, at => cli.output.progress(`reading ${file}: ${at}`))
  if (copy.workflow === workflow) return copy
  throw usage(`${file} holds ${copy.workflow}, not ${workflow}`, `name ${copy.workflow}, or another file`)
}

/** A context of a replica as it is now, decoded and checked once more. */
export function copyOf(context: AnyContext): ContextCopy {
  const set = new ChangeSet(sha256)
  const index = new CommitIndex()
  for (const { id, bytes } of context.changes()) {
    set.add(decodeChange(bytes, sha256), true)
    const position = context.positionOf(id)
    if (position !== undefined) index.record(position, id)
  }
  return { workflow: context.workflow, set, index }
}
