import { WeftError, type WorkflowId } from '@weft/core'

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

export function replicaClosed(): WeftError {
  return new WeftError('WEFT_CLOSED', 'this replica was closed', 'connect again')
}
