import { hash } from 'node:crypto'
import {
  type ChangeSet,
  type CommitIndex,
  hashFromLatin1,
  headsAt,
  isChangeId,
  type Node,
  type Position,
  type SchemaVersion,
  type View,
  WeftError,
} from '@weft/core'
import { usage } from '../base/failure.js'
import { nearest } from '../base/nearest.js'

export const sha256 = hashFromLatin1(bytes => hash('sha256', bytes, 'binary'))

/** A context as a verb reads it, wherever it came from: all its changes, and where each stands in the log. */
export interface ContextCopy {
  readonly workflow: string
  readonly set: ChangeSet
  readonly index: CommitIndex
}

/** Something that can be looked at: its name for people, and the heads that show it. */
export interface Target {
  readonly name: string
  readonly heads: readonly Node[]
}

const PREFIX_MIN = 4

/**
 * What a person named: a branch, a position of the log (`12` or `@12`: `branch` as it was then), or a change by its id
 * or the beginning of it. A branch wins, then a position.
 * @throws WEFT_BRANCH_UNKNOWN · WEFT_POSITION_UNKNOWN · WEFT_USAGE
 */
export function findTarget(copy: ContextCopy, text: string, branch: string): Target {
  const { set, index } = copy
  if (set.branches.has(text)) return { name: `branch ${text}`, heads: [...set.branches.heads(text)] }
  const position = /^@?(\d{1,15})$/.exec(text)?.[1]
  const known = position !== undefined && Number(position) <= index.position
  const change = known ? undefined : findChange(copy, text)
  if (change !== undefined) return { name: `change ${text}`, heads: [change] }
  if (position === undefined) throw unknownTarget(copy, text)
  return {
    name: `${branch} at position ${Number(position)}`,
    heads: headsAt(index, set, branch, Number(position)),
  }
}

/** The one change whose id begins with `prefix`, or undefined. @throws WEFT_USAGE when there are several */
export function findChange({ set }: ContextCopy, prefix: string): Node | undefined {
  if (isChangeId(prefix)) return set.has(prefix) ? set.dag.node(prefix) : undefined
  if (prefix.length < PREFIX_MIN || !/^[0-9a-f]+$/.test(prefix)) return undefined
  const found: Node[] = []
  for (let node = 0; node < set.size; node++) if (set.dag.id(node).startsWith(prefix)) found.push(node)
  if (found.length < 2) return found[0]
  const ids = found.slice(0, 5).map(node => set.dag.id(node).slice(0, prefix.length + 6))
  throw usage(`${found.length} changes begin with ${prefix}`, `write more of it: ${ids.join(', ')}`)
}

/** The branch asked for. @throws WEFT_BRANCH_UNKNOWN */
export function checkBranch({ set, workflow }: ContextCopy, branch: string): string {
  if (set.branches.has(branch)) return branch
  const meant = nearest(branch, set.branches.names())
  throw new WeftError(
    'WEFT_BRANCH_UNKNOWN',
    `${workflow} has no branch ${JSON.stringify(branch)}`,
    meant ? `did you mean ${meant}?` : `its branches: ${set.branches.names().join(', ')}`,
    { branch },
  )
}

/** What a branch shows, or all branches together. @throws WEFT_BRANCH_UNKNOWN */
export function viewOf(copy: ContextCopy, branch: string | undefined): View {
  return branch === undefined ? copy.set.everything() : copy.set.view(checkBranch(copy, branch))
}

export function positionOf({ set, index }: ContextCopy, node: Node): Position | undefined {
  return index.positionOf(set.dag.id(node))
}

function unknownTarget({ set, workflow, index }: ContextCopy, text: string): WeftError {
  const meant = nearest(text, set.branches.names())
  return new WeftError(
    'WEFT_CHANGE_UNKNOWN',
    `${workflow} has no branch, position or change ${JSON.stringify(text)}`,
    meant
      ? `did you mean branch ${meant}?`
      : `name a branch, a position up to ${index.position}, or at least ${PREFIX_MIN} digits of a change id (see \`weft log\`)`,
  )
}

/** The one definition that a branch is at. @throws WEFT_SCHEMA_UNKNOWN, with what to do instead */
export function schemaOf({ set, workflow }: ContextCopy, branch: string, cure: string): SchemaVersion {
  const [schema, other] = set.schemas.at(set.branches.heads(branch))
  if (schema && other === undefined) return schema
  throw new WeftError(
    'WEFT_SCHEMA_UNKNOWN',
    schema ? `branch ${branch} of ${workflow} shows two schemas` : `nothing in ${workflow} names a schema`,
    cure,
  )
}
