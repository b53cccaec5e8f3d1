import { isEngineWorkflow, type WorkflowId } from '@weft/core'
import type { Scope } from './peer-effects.js'

/** What it takes to write to a workflow: the engine's own binds a whole tenant. */
export function writeScopeOf(workflow: WorkflowId): Scope {
  return isEngineWorkflow(workflow) ? 'admin' : 'write'
}
