import { type Conflict, isWeftError, sayWritten, WeftError } from '@weft/core'
import type { WaitOptions } from '../base/waiting.js'

/** What an agent may ask for before it starts: that nobody disagrees on what it will read. */
export type Gate = 'no-conflicts'

interface Gated {
  readonly branch: string
  conflicts(): readonly Conflict[]
  until(holds: () => boolean, options?: WaitOptions): Promise<void>
}

/**
 * Waits until a branch has no open conflict: until somebody resolves them, by policy, agent or person.
 * @throws WEFT_CONFLICTS_OPEN when `timeout_ms` passes first · WEFT_ABORTED · WEFT_CLOSED
 */
export async function untilResolved(gated: Gated, options: WaitOptions): Promise<void> {
  try {
    await gated.until(() => isResolved(gated), options)
  } catch (error) {
    if (!isWeftError(error) || error.code !== 'WEFT_NOT_SYNCED') throw error
    throw conflictsOpen(gated.branch, gated.conflicts(), options.timeout_ms)
  }
}

/** A handle that was closed meanwhile has nothing to wait for; whoever waits learns of it when they go on. */
function isResolved(gated: Gated): boolean {
  try {
    return gated.conflicts().length === 0
  } catch {
    return true
  }
}

function conflictsOpen(
  branch: string,
  conflicts: readonly Conflict[],
  timeout_ms: number | undefined,
): WeftError {
  const pointers = conflicts.map(({ pointer }) => pointer)
  return new WeftError(
    'WEFT_CONFLICTS_OPEN',
    `branch ${branch} still had ${pointers.length} open conflict(s) after ${timeout_ms} ms: ${pointers.slice(0, 8).map(sayWritten).join(', ')}`,
    'resolve each with `resolve(pointer, value)`; `conflicts()` lists their values and authors',
    { branch, pointers, count: pointers.length },
  )
}
