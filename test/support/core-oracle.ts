import type { BranchName, Change, ChangeId } from '@weft/core'

/**
 * Causality and order of a set of changes, straight from their definitions: slow, short, and without any of the
 * structures that the core keeps.
 */
export class Oracle {
  readonly #changes = new Map<ChangeId, Change>()
  readonly #pasts = new Map<ChangeId, ReadonlySet<ChangeId>>()
  readonly #places = new Map<ChangeId, Place>()

  constructor(changes: Iterable<Change>) {
    for (const change of changes) this.#changes.set(change.id, change)
  }

  get ids(): ChangeId[] {
    return [...this.#changes.keys()]
  }

  /** All that `id` depends on, at any distance. */
  past(id: ChangeId): ReadonlySet<ChangeId> {
    const known = this.#pasts.get(id)
    if (known) return known
    const past = new Set<ChangeId>()
    for (const dep of this.#change(id).header.deps) {
      past.add(dep)
      for (const earlier of this.past(dep)) past.add(earlier)
    }
    this.#pasts.set(id, past)
    return past
  }

  isAncestor(ancestor: ChangeId, id: ChangeId): boolean {
    return this.past(id).has(ancestor)
  }

  concurrent(a: ChangeId, b: ChangeId): boolean {
    return a !== b && !this.isAncestor(a, b) && !this.isAncestor(b, a)
  }

  /** Those of `ids` that are in the past of no other. */
  maximal(ids: readonly ChangeId[]): ChangeId[] {
    return ids.filter(id => !ids.some(other => this.isAncestor(id, other)))
  }

  /** Each branch in one run (see the comment on `OrderTree`): by the keys on the path from the root. */
  flattened(): ChangeId[] {
    return this.ids.sort((a, b) => compareLists(this.#place(a).path, this.#place(b).path, compareLists))
  }

  /** By lamport, then as siblings of the other order. */
  interleaved(): ChangeId[] {
    const key = (id: ChangeId): Key => [this.#change(id).header.lamport, ...this.#siblingKey(id)]
    return this.ids.sort((a, b) => compareLists(key(a), key(b)))
  }

  #change(id: ChangeId): Change {
    return this.#changes.get(id)!
  }

  #place(id: ChangeId): Place {
    const known = this.#places.get(id)
    if (known) return known
    const place = this.#findPlace(id)
    this.#places.set(id, place)
    return place
  }

  #findPlace(id: ChangeId): Place {
    const { deps, branch } = this.#change(id).header
    const [last] = deps.sort((a, b) => compareLists(this.#place(b).path, this.#place(a).path, compareLists))
    if (last === undefined) return { path: [[1, ...this.#siblingKey(id)]], runStart: id }
    const { runStart } = this.#place(last)
    const continues = this.#change(last).header.branch === branch
    const parent = this.#place(continues ? last : runStart)
    return {
      path: [...parent.path, [continues ? 0 : 1, ...this.#siblingKey(id)]],
      runStart: continues ? runStart : id,
    }
  }

  #siblingKey(id: ChangeId): Key {
    const { branch, lamport, actor } = this.#change(id).header
    return [...this.#born(id), branch, lamport, actor, id]
  }

  /** Lamport and index of the fork that began the change's branch, as far as its own past tells. */
  #born(id: ChangeId): [number, number] {
    const { branch, lamport, deps } = this.#change(id).header
    if (branch === 'main') return [0, 0]
    const inherited = deps
      .filter(dep => this.#change(dep).header.branch === branch)
      .map(dep => this.#born(dep))
    const forks = inherited.length > 0 ? inherited : this.#forksOf(branch, id)
    const [earliest] = [...forks, [lamport, 0] as [number, number]].sort(compareLists)
    return earliest!
  }

  #forksOf(branch: BranchName, id: ChangeId): [number, number][] {
    return [...this.past(id)].flatMap(earlier => {
      const { notes, lamport } = this.#change(earlier).header
      const index = notes.forks?.indexOf(branch) ?? -1
      return index < 0 ? [] : [[lamport, index + 1] as [number, number]]
    })
  }
}

type Key = readonly (number | string)[]

interface Place {
  /** Sibling keys from the root down. */
  readonly path: readonly Key[]
  /** The first change of the unbroken run of its branch. */
  readonly runStart: ChangeId
}

function compareScalars(a: number | string, b: number | string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function compareLists<T = number | string>(
  a: readonly T[],
  b: readonly T[],
  compare: (a: T, b: T) => number = compareScalars as (a: T, b: T) => number,
): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = compare(a[i]!, b[i]!)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
