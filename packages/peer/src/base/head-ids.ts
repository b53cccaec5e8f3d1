import type { ChangeId, Dag, Node } from '@weft/core'

/**
 * The ids of a log's heads, as each batch writes them. Most are those of the batch before: they are spelled once, and
 * stand in ascending order but for what has come since, which whoever sorts them again is glad of.
 */
export class HeadIds {
  #ids = new Map<Node, ChangeId>()

  constructor(private readonly dag: Dag) {}

  list(): ChangeId[] {
    const { heads } = this.dag
    for (const node of this.#ids.keys()) if (!heads.has(node)) this.#ids.delete(node)
    const known = this.#ids.size
    for (const node of heads) if (!this.#ids.has(node)) this.#ids.set(node, this.dag.id(node))
    if (this.#ids.size - known > known) this.#ids = new Map([...this.#ids].sort(byId))
    return [...this.#ids.values()]
  }
}

function byId([, a]: readonly [Node, ChangeId], [, b]: readonly [Node, ChangeId]): number {
  return a < b ? -1 : 1
}
