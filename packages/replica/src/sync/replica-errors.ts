import { type BranchName, unknownBranch, WeftError, type WorkflowId } from '@weft/core'
import type { ContextReplica } from './context-replica.js'

export function silent(): WeftError {
  return new WeftError(
    'WEFT_PEER_UNREACHABLE',
    'the peer did not answer in time',
    'check that the peer is up and the address is right',
  )
}

export function notSynced(workflow: WorkflowId, timeout_ms: number, cause: WeftError | undefined): WeftError {
  return new WeftError(
    'WEFT_NOT_SYNCED',
    `what the peer has of ${workflow} was not here within ${timeout_ms} ms${cause ? `: ${cause.message}` : ''}`,
    'check the connection, wait longer, or open it with `offline` to begin with what is here',
    { workflow },
    { cause },
  )
}

/** What is not here is not there only if all that the peer has was here once (SES-2). */
export function branchNotHere({ workflow, set, wasSynced }: ContextReplica, branch: BranchName): WeftError {
  if (wasSynced) return unknownBranch(branch, set.branches.names())
  return new WeftError(
    'WEFT_NOT_SYNCED',
    `whether there is a branch ${JSON.stringify(branch)} in ${workflow} is not known: what the peer has was never here`,
    'open it without `offline` when there is a connection; a branch that is to begin is forked from one that is here',
    { workflow, branch },
  )
}

export function replicaClosed(): WeftError {
  return new WeftError('WEFT_CLOSED', 'this replica was closed', 'connect again')
}
