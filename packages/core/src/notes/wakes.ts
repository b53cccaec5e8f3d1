import { toHex } from '../base/bytes.js'
import { WeftError } from '../base/errors.js'
import type { ChangeId, Position } from '../base/ids.js'
import { canonicalJson, type Json } from '../base/json.js'
import { checkFilter, type Filter } from '../refs/filter.js'
import { subscriptionOf } from '../refs/lease-refs.js'
import type { WakeNote } from '../refs/wake-notes.js'
import type { Header } from '../change/header.js'
import type { Dag } from '../graph/dag.js'

/** A place in the log, and the change that stands there; empty at 0. */
interface Mark {
  readonly epoch: number
  readonly upTo: Position
  readonly last: ChangeId | ''
}

type Definition = Mark & { readonly filter: Filter }

interface Known {
  definition: Definition | undefined
  /** By epoch, ascending. */
  readonly acknowledged: Mark[]
}

/** Which change stands at a position, as far as it is known. */
export type IdAt = (position: Position) => ChangeId | undefined

/**
 * The named subscriptions of one context, and how far each is acknowledged (WAK-1). All of it are changes of the
 * context: the lease that each of them gives back puts them in a row, whatever the order in which they come.
 */
export class Wakes {
  readonly #byName = new Map<string, Known>()

  names(): string[] {
    return [...this.#byName].filter(([, { definition }]) => definition).map(([name]) => name)
  }

  filterOf(name: string): Filter | undefined {
    return this.#byName.get(name)?.definition?.filter
  }

  /**
   * Up to where a subscription is acknowledged in this very log. A mark that the log does not bear out, as the log has
   * lost what it was about, counts for nothing: then what came before it counts, and some things are told again.
   */
  acknowledged(name: string, idAt: IdAt): Position {
    const { definition, acknowledged = [] } = this.#byName.get(name) ?? {}
    if (definition === undefined) return 0
    for (let at = acknowledged.length - 1; at >= 0 && acknowledged[at]!.epoch > definition.epoch; at--) {
      if (holds(acknowledged[at]!, idAt)) return acknowledged[at]!.upTo
    }
    return holds(definition, idAt) ? definition.upTo : 0
  }

  add({ notes: { wake, lease } }: Header): void {
    if (wake === undefined) return
    const { on, epoch } = lease!
    const name = subscriptionOf(on)!
    const known = this.#byName.get(name) ?? { definition: undefined, acknowledged: [] }
    this.#byName.set(name, known)
    const mark = { epoch, upTo: wake.upTo, last: toHex(wake.last) }
    if (wake.filter === undefined) insert(known.acknowledged, mark)
    else known.definition = latest(known.definition, { ...mark, filter: checkFilter(wake.filter) })
  }
}

/**
 * What a change that is new says of a position must be so in the log that takes it.
 * @throws WEFT_POSITION_UNKNOWN
 */
export function checkMark(dag: Dag, { notes: { wake } }: Header): void {
  if (wake === undefined || wake.upTo === 0) return
  if (wake.upTo <= dag.size && dag.id(wake.upTo - 1) === toHex(wake.last)) return
  throw unreached(wake.upTo, dag.size)
}

/** What a change says that acknowledges the log up to a position, or, with a filter, begins a subscription after it. */
export function wakeNote(upTo: Position, last: Uint8Array, filter?: Filter): WakeNote {
  return { upTo, last, ...(filter && { filter }) }
}

export function unreached(position: Position, reached: Position): WeftError {
  return new WeftError(
    'WEFT_POSITION_UNKNOWN',
    `position ${position} was never reached: the log ends at ${reached}`,
    `name a position from 1 to ${reached + 1}, the next one; if there were more once, the peer has lost them`,
    { position, reached },
  )
}

function holds({ upTo, last }: Mark, idAt: IdAt): boolean {
  return upTo === 0 || idAt(upTo) === last
}

/** Marks of one epoch, which only a repetition can be, are told apart by how far they go. */
function insert(marks: Mark[], mark: Mark): void {
  let at = marks.length
  while (at > 0 && isAfter(marks[at - 1]!, mark)) at--
  marks.splice(at, 0, mark)
}

function isAfter(a: Mark, b: Mark): boolean {
  return a.epoch === b.epoch ? a.upTo > b.upTo : a.epoch > b.epoch
}

function latest(known: Definition | undefined, other: Definition): Definition {
  if (known === undefined || known.epoch < other.epoch) return other
  if (known.epoch > other.epoch) return known
  return inJson(known) < inJson(other) ? other : known
}

const inJson = (definition: Definition): string => canonicalJson(definition as unknown as Json)
