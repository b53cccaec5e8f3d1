import { CAUSES_TOLD_MAX, type Change, ChangeSet, Staleness, type View } from '@weft/core'
import { expect } from 'vitest'
import { sha256 } from './core-property.ts'
import { bruteForce, causally, derivedFrom } from './staleness-oracle.ts'

export function setOf(changes: readonly Change[]): ChangeSet {
  const set = new ChangeSet(sha256)
  for (const change of changes) set.add(change)
  return set
}

/** That a view shows as stale what the law says of the changes in it, for the same reasons. */
export function expectClosure(set: ChangeSet, view: View, seen: readonly Change[]): void {
  const stale = new Map(new Staleness(set, view).all().map(each => [each.entry ?? each.change, each]))
  const shown: string[] = []
  const due: string[] = []
  for (const [name, expected] of bruteForce(seen)) {
    const { causes = [], causesLeftOut = 0 } = stale.get(name) ?? {}
    const told = causes.map(cause => `${cause.kind} ${cause.change}`)
    shown.push([name, stale.has(name), told.length + causesLeftOut, ...told.sort()].join())
    due.push([name, expected.stale, expected.direct.length, ...firstOf(expected.direct, set)].join())
  }
  expect(shown.join('\n')).toBe(due.join('\n'))
}

/** Those that are told of so many causes, sorted as texts. */
function firstOf(causes: readonly string[], { dag, tree }: ChangeSet): readonly string[] {
  if (causes.length <= CAUSES_TOLD_MAX) return causes
  const placed = causes.map(cause => ({ cause, node: dag.find(cause.slice(cause.indexOf(' ') + 1))! }))
  const inOrder = placed.sort((a, b) => tree.compare(a.node, b.node)).map(({ cause }) => cause)
  return inOrder.slice(0, CAUSES_TOLD_MAX).sort()
}

/** That whoever has changes in another order finds the same, causes and all, and is told of each once. */
export function expectSameInAnyOrder(changes: readonly Change[], seed: number): void {
  const whole = setOf(changes)
  const expected = new Staleness(whole, whole.everything()).all()
  const set = new ChangeSet(sha256)
  const staleness = new Staleness(set, set.everything())
  const told: string[] = []
  for (const change of causally(changes, seed)) {
    set.add(change)
    for (const each of staleness.catchUp()) told.push(each.entry ?? each.change)
  }
  const ofEntries = expected.filter(({ entry }) => entry !== undefined)
  // As text: there are thousands of causes, and to compare them as objects takes longer than to find them.
  expect(JSON.stringify(staleness.all())).toBe(JSON.stringify(expected))
  expect(JSON.stringify(ofEntries.map(({ entry }) => staleness.why(entry!)))).toBe(JSON.stringify(ofEntries))
  expect(told.sort()).toEqual(expected.map(each => each.entry ?? each.change).sort())
}

/** That the blast radius of each ref is what the law says. */
export function expectRadii(changes: readonly Change[], refs: readonly string[]): void {
  const set = setOf(changes)
  const staleness = new Staleness(set, set.everything())
  for (const ref of refs) {
    expect(new Set(staleness.blastRadius(ref).entries)).toEqual(derivedFrom(changes, ref))
  }
}
