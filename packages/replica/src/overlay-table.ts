import {
  type AgentId,
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
import type { ContextReplica } from './context-replica.js'

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
  return typeof key === 'string' ? key : key.name
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
  /** By position, from 1; undefined for what is no publication. */
  #log: { readonly change: ChangeId; readonly published: OverlayVersion | undefined }[] = []
  #inForce = new Overlays()

  constructor(private readonly context: ContextReplica) {}

  get inForce(): Overlays {
    return this.#inForce
  }

  /** Takes in what is known by now of the log, which may have lost its end (DUR-5). @returns whether it has changed */
  refresh(): boolean {
    const { index } = this.context
    const kept = this.#log.findIndex(({ change }, at) => index.idAt(at + 1) !== change)
    if (kept >= 0) this.#truncate(kept)
    const before = this.#log.length
    while (this.#log.length < index.position) this.#take(index.idAt(this.#log.length + 1)!)
    return kept >= 0 || this.#log.length > before
  }

  get(name: OverlayName): OverlayVersion | undefined {
    const position = this.#inForce.get(name)?.position
    return position === undefined ? undefined : this.#log[position - 1]!.published
  }

  /** All in force, in the order in which they were first published. */
  list(): OverlayVersion[] {
    return this.#inForce.list().map(({ position }) => this.#log[position - 1]!.published!)
  }

  /** All that was published, oldest first, after a position. */
  history(after: Position = 0): OverlayVersion[] {
    return published(this.#log.slice(after))
  }

  #take(change: ChangeId): void {
    const { set } = this.context
    const node = set.dag.node(change)
    const { header } = set.change(node)
    const position = this.#log.length + 1
    const { publishes, reason } = header.notes
    this.#inForce.add(header, position)
    const { agent, time } = header
    const value = set.entriesOf(node)[0]?.value as Json
    this.#log.push({
      change,
      published: publishes && Object.freeze({ ...publishes, value, agent, time, reason, position, change }),
    })
  }

  #truncate(position: Position): void {
    this.#log.length = position
    this.#inForce = new Overlays()
    for (const [at, { change }] of this.#log.entries()) {
      const { set } = this.context
      this.#inForce.add(set.change(set.dag.node(change)).header, at + 1)
    }
  }
}

function published(log: readonly { readonly published: OverlayVersion | undefined }[]): OverlayVersion[] {
  return log.flatMap(({ published }) => published ?? [])
}
