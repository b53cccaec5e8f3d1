import type { Change, ChangeId, Json } from '@weft/core'
import { unpackIds } from '@weft/core'
import { Oracle } from './core-oracle.ts'

export interface ExpectedPlan {
  readonly changes: readonly ChangeId[]
  readonly entries: readonly string[]
  readonly restored: readonly string[]
  readonly kept: readonly { readonly pointer: string; readonly by: readonly ChangeId[] }[]
  /** By pointer what it may hold afterwards: several values only where concurrent writes stand. */
  readonly values: ReadonlyMap<string, readonly (Json | undefined)[]>
}

/** Reverting (STP-4) of a state of flat keys, from its definition alone: all pairs, no index, no Automerge. */
export class RevertOracle {
  readonly #causes: Oracle
  readonly #order: readonly ChangeId[]
  readonly #changes: ReadonlyMap<ChangeId, Change>

  constructor(
    changes: readonly Change[],
    private readonly wrote: ReadonlyMap<ChangeId, Readonly<Record<string, Json | undefined>>>,
  ) {
    this.#causes = new Oracle(changes)
    this.#order = this.#causes.flattened()
    this.#changes = new Map(changes.map(change => [change.id, change]))
  }

  /** The entries of what is not reverted, in order. */
  shown(): string[] {
    return this.#order
      .filter(id => !this.#isReverted(id, new Set(), new Set()))
      .flatMap(id => this.#entries(id))
  }

  plan(target: readonly ChangeId[]): ExpectedPlan | string {
    const chosen = new Set(target.filter(id => this.#holdsSomething(id)))
    if (chosen.size === 0) return 'WEFT_REVERT_NOTHING'
    const named = this.#order.filter(id => chosen.has(id) && !this.#isReverted(id, new Set(), chosen))
    if (named.length === 0) return 'WEFT_REVERT_ALREADY'
    const also = new Set(named)
    const dead = (id: ChangeId, after: boolean): boolean =>
      this.#isReverted(id, after ? also : new Set(), new Set())
    const turned = this.#order.filter(id => dead(id, false) !== dead(id, true))
    const values = new Map<string, readonly (Json | undefined)[]>()
    const kept: { pointer: string; by: ChangeId[] }[] = []
    for (const key of [...new Set(turned.flatMap(id => Object.keys(this.wrote.get(id) ?? {})))].sort()) {
      const writers = this.#order.filter(id => Object.hasOwn(this.wrote.get(id) ?? {}, key))
      const last = this.#causes.maximal(writers.filter(id => turned.includes(id) || !dead(id, true)))
      const mine = last.filter(id => turned.includes(id))
      const others = last.filter(id => !turned.includes(id))
      const by = others.filter(other =>
        mine.length > 0
          ? mine.some(id => !this.#causes.isAncestor(other, id))
          : turned.some(
              id => Object.hasOwn(this.wrote.get(id) ?? {}, key) && this.#causes.isAncestor(id, other),
            ),
      )
      const standing = this.#causes.maximal(writers.filter(id => !dead(id, true)))
      if (by.length > 0) kept.push({ pointer: `/${key}`, by })
      else if (standing.length === 0) values.set(`/${key}`, [undefined])
      else
        values.set(
          `/${key}`,
          standing.map(id => this.wrote.get(id)![key]),
        )
    }
    return {
      changes: named,
      entries: turned.filter(id => dead(id, true)).flatMap(id => this.#entries(id)),
      restored: turned.filter(id => !dead(id, true)).flatMap(id => this.#entries(id)),
      kept,
      values,
    }
  }

  /** A change is reverted when a revert that is not itself reverted names it. */
  #isReverted(id: ChangeId, also: ReadonlySet<ChangeId>, without: ReadonlySet<ChangeId>): boolean {
    if (also.has(id)) return true
    return [...this.#changes.values()].some(
      ({ id: revert, header }) =>
        !without.has(revert) &&
        header.notes.reverts !== undefined &&
        unpackIds(header.notes.reverts).includes(id) &&
        !this.#isReverted(revert, also, without),
    )
  }

  #holdsSomething(id: ChangeId): boolean {
    const { kinds, writes, notes } = this.#changes.get(id)!.header
    return kinds.length > 0 || writes.length > 0 || notes.reverts !== undefined
  }

  #entries(id: ChangeId): string[] {
    return this.#changes.get(id)!.header.kinds.map((_, index) => `${id}.${index}`)
  }
}
