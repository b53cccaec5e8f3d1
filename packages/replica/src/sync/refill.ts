import {
  type Change,
  type ChangeId,
  type ChangeSet,
  isWeftError,
  NO_NODE,
  unpackIds,
  WeftError,
} from '@weft/core'

/**
 * What a replica offers of the changes that the log lacks after a rollback, in the order in which a log takes them: what was
 * erased comes without its content, so the changes that erased it go first (ERA-1).
 *
 * Whoever may not erase can bring back an erasure only where it takes nothing from the log. One that it cannot bring stays
 * here, with what lost its content by it and all that depends on that, until somebody brings it who may.
 * @param isInLog of a change, whether the log is known to hold it
 */
export function refillOf(
  set: ChangeSet,
  missing: readonly Change[],
  isInLog: (id: ChangeId) => boolean,
  mayErase: boolean,
): readonly Change[] {
  const erasing = missing.filter(isErasing)
  if (set.erasures.count === 0) return missing
  const held = mayErase ? new Set<ChangeId>() : heldBack(set, missing, isInLog)
  return [...new Set([...erasing, ...missing])].filter(({ id }) => !held.has(id))
}

/**
 * Whether a change from elsewhere may be taken in: one that the peer would refuse must not cost what is here already.
 * @throws WEFT_SCOPE
 */
export function checkMayErase(set: ChangeSet, change: Change, mayErase: boolean): void {
  if (mayErase || !isErasing(change)) return
  const nodes = namedBy(change).map(id => set.dag.find(id))
  if (!nodes.some(node => node !== NO_NODE && set.change(node).complete)) return
  throw new WeftError(
    'WEFT_SCOPE',
    `change ${change.id.slice(0, 12)} erases what is here, and the token does not allow to erase`,
    'use a token whose scopes include "write" and "admin", and wait until it is connected',
    { needed: 'admin' },
  )
}

/** Whether something could not be taken in because what it depends on is not here. */
export function lacksDeps(error: unknown): boolean {
  return isWeftError(error) && error.code === 'WEFT_CHANGE_DEPS_MISSING'
}

function heldBack(
  set: ChangeSet,
  missing: readonly Change[],
  isInLog: (id: ChangeId) => boolean,
): ReadonlySet<ChangeId> {
  const held = new Set<ChangeId>()
  const dependsOnHeld = ({ header }: Change): boolean => header.deps.some(dep => held.has(dep))
  for (const change of missing) {
    if (isErasing(change) && (namedBy(change).some(isInLog) || dependsOnHeld(change))) held.add(change.id)
  }
  const said = new Set(
    set
      .changes()
      .filter(change => isErasing(change) && !held.has(change.id))
      .flatMap(namedBy),
  )
  for (const change of missing) {
    if (isErasing(change)) continue
    if ((!change.complete && !said.has(change.id)) || dependsOnHeld(change)) held.add(change.id)
  }
  return held
}

function isErasing({ header }: Change): boolean {
  return header.notes.erases !== undefined
}

function namedBy({ header }: Change): readonly ChangeId[] {
  return unpackIds(header.notes.erases!)
}
