import { compareBytes } from '../base/bytes.js'
import { ABSENT } from '../base/cbor-cursor.js'
import { WeftError } from '../base/errors.js'
import { type AgentId, type ChangeId, ERASURES_BRANCH } from '../base/ids.js'
import type { Node } from '../base/node.js'
import { unpackIds } from '../base/packed-ids.js'
import type { Hash } from '../base/ports.js'
import { type Change, withoutContent } from '../change/change.js'
import type { Dag } from '../graph/dag.js'
import { STAND_IN_KIND, standInsOf } from '../automerge/stand-in.js'

/** That content was there and is gone (ERA-1): by which change, whose, when (ms since 1970 UTC, its clock) and why. */
export interface Erased {
  /** Null while the change that erased it is not here yet, and only what it left has come. */
  readonly by: ChangeId | null
  readonly agent?: AgentId
  readonly time?: number
  readonly reason?: string
}

interface Named {
  readonly erased: Erased
  readonly standIn: Uint8Array | null
}

const NOT_HERE_YET: Erased = Object.freeze({ by: null })

/**
 * What the changes of a context erase. A change that any of them names is erased, whether its content is still here or
 * not, and in whatever order the two came: so equal sets show the same. What erases is not erased itself.
 */
export class Erasures {
  readonly #named = new Map<ChangeId, Named>()
  readonly #erasing = new Set<ChangeId>()

  constructor(private readonly hash: Hash) {}

  /** So many changes erase others. Whoever keeps what was made of content begins anew when it has grown. */
  get count(): number {
    return this.#erasing.size
  }

  has(id: ChangeId): boolean {
    return this.#named.has(id) && !this.#erasing.has(id)
  }

  /** Whether a change may be without the parts that it lacks: it is erased, and something stands in for its state. */
  covers(change: Change): boolean {
    return this.has(change.id) && (!change.lacksState || this.#named.get(change.id)!.standIn !== null)
  }

  /** The changes that erase others. */
  get erasing(): ReadonlySet<ChangeId> {
    return this.#erasing
  }

  /** Whether a change erases others. */
  isErasing(id: ChangeId): boolean {
    return this.#erasing.has(id)
  }

  /** What is to be said of a change whose content is gone. */
  of(change: Change): Erased | undefined {
    if (this.has(change.id)) return this.#named.get(change.id)!.erased
    return change.complete ? undefined : NOT_HERE_YET
  }

  /** Takes in a change that erases others. @returns those that it names */
  add(change: Change): readonly ChangeId[] {
    const { agent, time, notes } = change.header
    // Before its id is spelled: nearly no change erases.
    if (notes.erases === undefined) return []
    const { id } = change
    this.#erasing.add(id)
    const erased = Object.freeze({
      ...{ by: id, agent, time },
      ...(notes.reason !== undefined && { reason: notes.reason }),
    })
    const standIns = standInsOf(change, this.hash)
    const named = unpackIds(notes.erases)
    for (const each of named) {
      const standIn = standIns.get(each) ?? null
      this.#named.set(each, merged(this.#named.get(each), { erased, standIn }))
    }
    return named
  }

  /** The change as it is to be kept: without its content, if that is erased. */
  kept(change: Change): Change {
    if (!this.has(change.id)) return change
    const { standIn } = this.#named.get(change.id)!
    const stands = change.header.stateHashAt === ABSENT ? null : standIn
    const isKept = change.lacksEntries || change.header.entriesHashAt === ABSENT
    return isKept && (stands === null || isSame(stands, change.standIn))
      ? change
      : withoutContent(change, stands, this.hash)
  }
}

/** Of several that name one change the first by id is told of. They bring the same stand-in; should they not, the lesser counts. */
function merged(known: Named | undefined, other: Named): Named {
  if (known === undefined) return other
  return {
    erased: other.erased.by! < known.erased.by! ? other.erased : known.erased,
    standIn: lesser(known.standIn, other.standIn),
  }
}

function lesser(a: Uint8Array | null, b: Uint8Array | null): Uint8Array | null {
  if (a === null || b === null) return a ?? b
  return compareBytes(a, b) <= 0 ? a : b
}

function isSame(a: Uint8Array, b: Uint8Array | null): boolean {
  return b !== null && compareBytes(a, b) === 0
}

/**
 * Whether a change may erase others in a log, or stand on their branch: it does nothing else, and is in nobody's past but
 * that of its like, so that it can be brought before what it erases when a log is filled again.
 * @throws WEFT_ERASE_REFUSED
 */
export function checkErasing({ id, header }: Change, dag: Dag, isErasing: (node: Node) => boolean): void {
  const { branch, kinds, writes, reads, stateHashAt, notes } = header
  const reason =
    branch !== ERASURES_BRANCH
      ? `it is on branch ${branch}`
      : notes.erases === undefined
        ? 'it names none'
        : kinds.some(kind => kind !== STAND_IN_KIND) ||
            writes.length > 0 ||
            reads.length > 0 ||
            stateHashAt !== ABSENT
          ? 'it does something else as well'
          : dag.depsOf(header).every(isErasing)
            ? undefined
            : 'it depends on a change that erases nothing'
  if (reason === undefined) return
  throw new WeftError(
    'WEFT_ERASE_REFUSED',
    `change ${id.slice(0, 12)} is to erase others, and ${reason}`,
    'let a Weft replica make the change that erases: `weft erase`, or `context.erase`',
    { change: id },
  )
}

/** @throws WEFT_CHANGE_MALFORMED */
export function checkComplete(change: Change, erasures: Erasures): void {
  if (change.complete || erasures.covers(change)) return
  throw new WeftError(
    'WEFT_CHANGE_MALFORMED',
    `change ${change.id.slice(0, 12)} came without a part that its header names, and nothing here erases it`,
    'send the change with both of its parts, or, if it was erased, the change that erased it before it',
    { change: change.id },
  )
}
