import { compareText } from '../base/bytes.js'
import type { Node } from '../base/node.js'
import type { Dag } from '../graph/dag.js'

export interface SchemaVersion {
  readonly name: string
  readonly version: number
}

/** A past that shows two schemas is nobody's: which others it shows beside those is not kept. */
const NAMES_MAX = 2

/**
 * What each change and its past say of their schema: the highest version of each name. Kept by change, so that what a
 * branch is at can be told from its heads alone.
 */
export class Schemas {
  readonly #at: (readonly SchemaVersion[])[] = []

  constructor(private readonly dag: Dag) {}

  /** Takes in the next change; `own` is what its header names. */
  add(node: Node, own: SchemaVersion | undefined): void {
    const deps = this.dag.depCount(node)
    let seen = deps === 0 ? NONE : this.#at[this.dag.dep(node, 0)]!
    for (let i = 1; i < deps; i++) seen = joined(seen, this.#at[this.dag.dep(node, i)]!)
    this.#at.push(own === undefined ? seen : joined(seen, [own]))
  }

  /** What these changes and their pasts show: one of each name, by name, two at most; none where nothing was said. */
  at(nodes: Iterable<Node>): readonly SchemaVersion[] {
    let seen: readonly SchemaVersion[] = NONE
    for (const node of nodes) seen = joined(seen, this.#at[node]!)
    return seen
  }

  /** The highest version that a change and its past show, of whatever name; undefined where nothing was said. */
  versionOf(node: Node): number | undefined {
    const seen = this.#at[node]!
    return seen.length === 0 ? undefined : Math.max(...seen.map(({ version }) => version))
  }
}

const NONE: readonly SchemaVersion[] = Object.freeze([])

/** Nearly always one of the two as it is, so that a whole context shares a few lists. */
function joined(a: readonly SchemaVersion[], b: readonly SchemaVersion[]): readonly SchemaVersion[] {
  if (a === b || covers(a, b)) return a
  if (covers(b, a)) return b
  const highest = new Map<string, SchemaVersion>()
  for (const each of [...a, ...b]) {
    if ((highest.get(each.name)?.version ?? Number.NEGATIVE_INFINITY) < each.version)
      highest.set(each.name, each)
  }
  return [...highest.values()].sort((x, y) => compareText(x.name, y.name)).slice(0, NAMES_MAX)
}

function covers(a: readonly SchemaVersion[], b: readonly SchemaVersion[]): boolean {
  return b.every(({ name, version }) => a.some(each => each.name === name && each.version >= version))
}
