import {
  type AgentId,
  type Change,
  type ChangeId,
  type Enforcement,
  type Json,
  type OverlayDefinition,
  type OverlayName,
  Overlays,
  type Position,
  validateOverlay,
} from '@weft/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { checkObject } from '../base/arguments.js'
import type { ContextReplica } from '../sync/context-replica.js'

/** One version of an overlay, as it was published. */
export interface OverlayVersion<Value = Json> {
  readonly name: OverlayName
  /** From 1, without gaps. */
  readonly version: number
  readonly value: Value
  readonly enforce: Enforcement
  /** Who published it, when (ms since 1970 UTC, by its clock), and why. */
  readonly agent: AgentId
  readonly time: number
  readonly reason: string | undefined
  /** Of its publication, in the log of the tenant's overlays. */
  readonly position: Position
  readonly change: ChangeId
}

/** An overlay by its definition, whose schema it is held against, or by its name alone. */
export type OverlayKey = OverlayDefinition | OverlayName
export type OverlayValueOf<Key> = Key extends { readonly schema: infer Schema extends StandardSchemaV1 }
  ? StandardSchemaV1.InferOutput<Schema>
  : Json

export function overlayNameOf(key: OverlayKey): OverlayName {
  return typeof key === 'string' ? key : checkObject('the overlay', key, 'pass its name or definition').name
}

/** A version in the type of its definition. @throws WEFT_SCHEMA_REFUSED · WEFT_SCHEMA_ASYNC */
export function typed<const Key extends OverlayKey>(
  key: Key,
  version: OverlayVersion,
): OverlayVersion<OverlayValueOf<Key>> {
  const schema = typeof key === 'string' ? undefined : key.schema
  const value = validateOverlay(version.name, schema, version.value)
  return { ...version, value: value as OverlayValueOf<Key> }
}

/** The overlays of the tenant as far as this replica knows the committed log of their publications. */
export class OverlayTable {
  /** The changes of the log, by position from 0, and what they publish, once somebody has asked. */
  readonly #log: ChangeId[] = []
  readonly #versions: (OverlayVersion | undefined)[] = []
  #inForce = new Overlays()

  constructor(private readonly context: ContextReplica) {}

  get inForce(): Overlays {
    return this.#inForce
  }

  /** Takes in what is known by now of the log, which may have lost its end (DUR-5). @returns whether it has changed */
  refresh(): boolean {
    const { index } = this.context
    const before = this.#log.length
    let kept = 0
    while (kept < before && index.idAt(kept + 1) === this.#log[kept]) kept++
    if (kept < before) this.#forgetAfter(kept)
    for (let at = kept + 1; at <= index.position; at++) {
      this.#log.push(index.idAt(at)!)
      this.#inForce.add(this.#changeAt(at).header, at)
    }
    return kept < before || this.#log.length > kept
  }

  get(name: OverlayName): OverlayVersion | undefined {
    const position = this.#inForce.get(name)?.position
    return position === undefined ? undefined : this.#versionAt(position)
  }

  /** All in force, in the order in which they were first published. */
  list(): OverlayVersion[] {
    return this.#inForce.list().flatMap(({ position }) => this.#versionAt(position) ?? [])
  }

  /** All that was published, oldest first, after a position. */
  history(after: Position = 0): OverlayVersion[] {
    return this.#log.slice(after).flatMap((_, at) => this.#versionAt(after + at + 1) ?? [])
  }

  #forgetAfter(position: Position): void {
    this.#log.length = position
    this.#versions.length = Math.min(this.#versions.length, position)
    this.#inForce = new Overlays()
    for (let at = 1; at <= position; at++) this.#inForce.add(this.#changeAt(at).header, at)
  }

  #changeAt(position: Position): Change {
    const { set } = this.context
    return set.change(set.dag.node(this.#log[position - 1]!))
  }

  /** Undefined for what is no publication: a peer lets none in. */
  #versionAt(position: Position): OverlayVersion | undefined {
    const known = this.#versions[position - 1]
    if (known) return known
    const { id, header } = this.#changeAt(position)
    const { set } = this.context
    const entry = set.entriesOf(set.dag.node(id))[0]
    if (header.notes.publishes === undefined || entry === undefined) return undefined
    const { agent, time, notes } = header
    const said = { value: entry.value as Json, agent, time, reason: notes.reason }
    const version = Object.freeze({ ...notes.publishes!, ...said, position, change: id })
    this.#versions[position - 1] = version
    return version
  }
}
