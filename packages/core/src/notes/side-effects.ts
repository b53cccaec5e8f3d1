import { compareText } from '../base/bytes.js'
import { isPlainObject, type Json } from '../base/json.js'
import type { Node } from '../base/node.js'
import { EFFECT_KIND } from '../refs/engine-kinds.js'
import { isEffectRef } from '../refs/lease-refs.js'
import type { Header } from '../change/header.js'
import type { Dag } from '../graph/dag.js'

/** What has come of a side effect (STP-3), as its entry holds it. Whatever it is, it stays so. */
export type EffectOutcome =
  | {
      readonly key: string
      readonly step: string
      readonly outcome: 'done'
      readonly result: Json
      /** Why what it gave is not kept; then the result is null. */
      readonly unkept?: string
    }
  | {
      readonly key: string
      readonly step: string
      readonly outcome: 'refused'
      readonly reason: string
      /** Refs that the step had read and that had moved. */
      readonly moved: readonly string[]
    }

/** Which changes record what has come of which side effect. A function of the set, like all that it is asked. */
export class SideEffects {
  readonly #byRef = new Map<string, Node[]>()
  readonly #nodes = new Set<Node>()

  constructor(private readonly dag: Dag) {}

  add(node: Node, { writes, kinds }: Header): void {
    if (kinds.length !== 1 || kinds[0] !== EFFECT_KIND) return
    this.#nodes.add(node)
    for (const ref of writes.filter(isEffectRef)) {
      const known = this.#byRef.get(ref)
      if (known) known.push(node)
      else this.#byRef.set(ref, [node])
    }
  }

  /** Whether a change records what has come of an effect. */
  has(node: Node): boolean {
    return this.#nodes.has(node)
  }

  /** The change that records what has come of an effect. A peer takes one alone; of more, the first by id counts. */
  outcomeOf(ref: string): Node | undefined {
    const [first, ...others] = this.#byRef.get(ref) ?? []
    if (first === undefined) return undefined
    return others.reduce((least, node) => (this.#before(node, least) ? node : least), first)
  }

  #before(a: Node, b: Node): boolean {
    return compareText(this.dag.id(a), this.dag.id(b)) < 0
  }
}

/** Reads the value of such an entry; undefined when it is something else. */
export function readOutcome(value: unknown): EffectOutcome | undefined {
  if (!isPlainObject(value) || typeof value.key !== 'string' || typeof value.step !== 'string')
    return undefined
  const { outcome, reason, moved } = value
  const refused = typeof reason === 'string' && Array.isArray(moved)
  return outcome === 'done' || (outcome === 'refused' && refused) ? (value as EffectOutcome) : undefined
}
