import { WeftError } from '../base/errors.js'
import type { ActorId, AgentId, BranchName, ChangeId } from '../base/ids.js'
import { checkPointer, isPlainObject } from '../base/json.js'
import type { Node } from '../base/node.js'
import { unpackIds } from '../base/packed-ids.js'
import type { LeaseNote } from '../refs/lease-notes.js'
import { type Move, writtenTouches } from '../refs/list-marks.js'
import { movesOf, placesIn, pointerOf } from '../refs/ref.js'
import type { ManifestRef } from '../change/header.js'
import type { View } from '../graph/view.js'
import type { Erased } from '../notes/erasures.js'
import type { ChangeSet } from './change-set.js'
import type { Entry } from './entry.js'

export interface AuditFilter {
  /** Changes that wrote this state pointer, something above it or something below it. */
  readonly pointer?: string
  readonly agent?: AgentId
  readonly branch?: BranchName
  /** Changes that hold an entry of this kind. */
  readonly kind?: string
}

/** One change, as an auditor reads it. */
export interface AuditRecord {
  readonly change: ChangeId
  readonly branch: BranchName
  readonly agent: AgentId
  readonly actor: ActorId
  readonly seq: number
  readonly lamport: number
  /** The author's wall clock, ms since 1970 UTC. */
  readonly time: number
  readonly deps: readonly ChangeId[]
  readonly entries: readonly Entry[]
  /** State pointers it wrote; one that went by an item which was gone has a mark in place of its index. */
  readonly pointers: readonly string[]
  /** Present when it put into lists or took out of them before other items: those lists, and from which index on. */
  readonly moved?: readonly Move[]
  readonly reads: readonly ManifestRef[]
  readonly reason: string | undefined
  /** The changes that it reverts, and the ones by which it is reverted on this view. */
  readonly reverts: readonly ChangeId[]
  readonly revertedBy: readonly ChangeId[]
  /** Present when its content was erased (ERA-1), and the changes whose content it erases. */
  readonly erased?: Erased
  readonly erases: readonly ChangeId[]
  readonly forks: readonly BranchName[]
  readonly merges: readonly BranchName[]
  readonly abandons: readonly BranchName[]
  /** The lease that it asks for, or gives back. */
  readonly lease?: LeaseNote
}

/**
 * The changes of a view in order, filtered; nothing is decoded that is not yielded.
 * @param among of these nodes alone
 * @throws WEFT_FILTER_INVALID · WEFT_POINTER_INVALID, at once
 */
export function audit(
  set: ChangeSet,
  view: View,
  filter: AuditFilter = {},
  among?: ReadonlySet<Node>,
): Generator<AuditRecord> {
  checkAuditFilter(filter)
  return records(set, view, filter, among)
}

const FILTERED_BY: readonly string[] = ['pointer', 'agent', 'branch', 'kind']

/** What it does not know would filter nothing. */
function checkAuditFilter(filter: unknown): void {
  if (!isPlainObject(filter)) throw invalid('it is not an object')
  for (const [name, value] of Object.entries(filter)) {
    if (value === undefined) continue
    if (!FILTERED_BY.includes(name)) throw invalid(`it names ${JSON.stringify(name.slice(0, 80))}`)
    if (name === 'pointer') checkPointer(value as string)
    else if (typeof value !== 'string') throw invalid(`its ${name} is of type ${typeof value}`)
  }
}

function* records(
  set: ChangeSet,
  view: View,
  { pointer, agent, branch, kind }: AuditFilter,
  among: ReadonlySet<Node> | undefined,
): Generator<AuditRecord> {
  const reverted = set.reverts.standing(view)
  for (const node of view.flatten()) {
    if (among?.has(node) === false) continue
    const { id, header } = set.change(node)
    if (agent !== undefined && header.agent !== agent) continue
    if (branch !== undefined && header.branch !== branch) continue
    if (kind !== undefined && !header.kinds.includes(kind)) continue
    const pointers = placesIn(header.writes)
    if (pointer !== undefined && !touchesPointer(header.writes, pointer)) continue
    yield {
      change: id,
      branch: header.branch,
      agent: header.agent,
      actor: header.actor,
      seq: header.seq,
      lamport: header.lamport,
      time: header.time,
      deps: header.deps,
      entries: set.entriesOf(node),
      pointers,
      ...movedBy(header.writes),
      reads: header.reads,
      reason: header.notes.reason,
      reverts: set.ids(set.reverts.namedBy(node)),
      revertedBy: set.ids(reverted.get(node) ?? []),
      ...erasedOf(set, node),
      erases: unpackIds(header.notes.erases ?? NONE),
      forks: header.notes.forks ?? [],
      merges: Object.keys(header.notes.merges ?? {}).filter(name => name !== header.branch),
      abandons: header.notes.abandons ?? [],
      ...(header.notes.lease && { lease: header.notes.lease }),
    }
  }
}

const NONE = new Uint8Array(0)

function movedBy(writes: readonly string[]): { readonly moved?: readonly Move[] } {
  const moved = movesOf(writes)
  return moved.length > 0 ? { moved } : {}
}

function touchesPointer(writes: readonly string[], pointer: string): boolean {
  return writes.some(ref => {
    const written = pointerOf(ref)
    return written !== undefined && writtenTouches(written, pointer)
  })
}

function erasedOf(set: ChangeSet, node: Node): { readonly erased?: Erased } {
  const erased = set.erasedAt(node)
  return erased ? { erased } : {}
}

function invalid(reason: string): WeftError {
  return new WeftError(
    'WEFT_FILTER_INVALID',
    `that is no filter of changes: ${reason}`,
    `pass any of ${FILTERED_BY.join(', ')}, each as a text, or nothing for all`,
  )
}
