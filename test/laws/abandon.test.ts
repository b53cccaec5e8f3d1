import {
  ABANDONED_BRANCH,
  abandon,
  type BranchName,
  BranchWriter,
  type Change,
  ChangeSet,
  isEngineBranch,
  LIMITS,
  MAIN_BRANCH,
  StateDoc,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deliver, deliveries, histories } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { holds, pickSome, seededHost, sha256 } from '../support/core-property.ts'

const host = seededHost(11)
const author = { agent: 'supervisor', reason: 'lost' }

function setOf(changes: readonly Change[]): ChangeSet {
  const set = new ChangeSet(sha256)
  for (const change of changes) set.add(change)
  return set
}

/** All branches that work is done on, but main. */
function attempts({ branches }: ChangeSet): BranchName[] {
  return branches.names().filter(name => name !== MAIN_BRANCH && !isEngineBranch(name))
}

function shown(set: ChangeSet, branch: BranchName): unknown {
  const view = set.view(branch)
  const state = new StateDoc(set, view)
  try {
    return { entries: set.entries(view), heads: set.heads(branch), state: state.read() }
  } finally {
    state.free()
  }
}

/** `attempt-0` and so on, each with one entry. */
function fanOut(attempts: number): ChangeSet {
  const set = new ChangeSet(sha256)
  const main = new BranchWriter(set, host, MAIN_BRANCH, 'supervisor')
  const names = Array.from({ length: attempts }, (_, at) => `attempt-${at}`)
  for (let at = 0; at < attempts; at += 500) main.fork(names.slice(at, at + 500))
  for (const name of names) {
    new BranchWriter(set, host, name, 'worker').write({ entries: [{ kind: 'note', value: name }] })
  }
  return set
}

describe('[MRG-2] what is abandoned is not lost, and nothing is merged by it', () => {
  test('every branch shows what it showed, and heads are those of branches that were not abandoned', () => {
    const given = fc.tuple(histories({ steps_max: 60, edits: true }), fc.nat(31))
    holds(given, ([{ changes }, some]) => {
      const set = setOf(changes)
      const before = new Map(set.branches.names().map(name => [name, shown(set, name)]))
      const chosen = pickSome(attempts(set), some)
      abandon(set, chosen, author, host)
      for (const [name, was] of before) expect(shown(set, name)).toEqual(was)
      for (const name of chosen)
        for (const head of set.branches.heads(name)) expect(set.dag.heads.has(head)).toBe(false)
    })
  })

  test('a branch is abandoned while it holds nothing else, whoever wrote on, in whatever order it is heard of', () => {
    const given = fc.tuple(
      histories({ steps_max: 60 }),
      fc.array(fc.tuple(fc.nat(31), fc.nat(31))),
      deliveries,
    )
    holds(given, ([{ changes }, rounds, delivery]) => {
      const set = setOf(changes)
      for (const [ended, goesOn] of rounds) {
        abandon(set, pickSome(attempts(set), ended), author, host)
        for (const name of pickSome(attempts(set), goesOn)) {
          new BranchWriter(set, host, name, 'late').write({ entries: [{ kind: 'note', value: 'more' }] })
        }
      }
      const all = set.changes()
      const oracle = new Oracle(all)
      const other = deliver([...all], delivery)
      for (const name of set.branches.names()) {
        const by = all.filter(({ header }) => header.notes.abandons?.includes(name))
        const heads = set.heads(name)
        const isOver =
          heads.length > 0 && heads.every(head => by.some(({ id }) => oracle.isAncestor(head, id)))
        expect(set.abandonments.has(name)).toBe(isOver)
        expect(other.abandonments.has(name)).toBe(isOver)
      }
    })
  })

  test('thousands are abandoned by as few changes as can name them and their heads', () => {
    const set = fanOut(3_000)
    const changes = abandon(set, attempts(set), author, host)
    expect(changes.length).toBeLessThanOrEqual(6)
    expect(changes.flatMap(({ header }) => header.notes.abandons!)).toEqual(attempts(set))
    expect(set.ids(set.dag.heads)).toEqual([changes.at(-1)!.id])
    for (const { header } of changes) {
      expect(header).toMatchObject({
        branch: ABANDONED_BRANCH,
        kinds: [],
        writes: [],
        notes: { reason: 'lost' },
      })
      expect(header.deps.length).toBeLessThanOrEqual(LIMITS.deps_max)
    }
  })

  test('names of any length fit into headers', () => {
    const set = new ChangeSet(sha256)
    const names = Array.from({ length: 400 }, (_, at) => `${at}-`.padEnd(128, 'x'))
    new BranchWriter(set, host, MAIN_BRANCH, 'supervisor').fork(names)
    expect(abandon(set, names, author, host).flatMap(({ header }) => header.notes.abandons!)).toEqual(names)
  })
})

describe('what is no branch to abandon is refused, and nothing has changed', () => {
  test.each([
    ['main', 'WEFT_ID_INVALID'],
    ['weft.wakes', 'WEFT_ID_INVALID'],
    ['a:b', 'WEFT_ID_INVALID'],
    ['attempt-9', 'WEFT_BRANCH_UNKNOWN'],
  ])('%s: %s', (name, code) => {
    const set = fanOut(2)
    const { size } = set
    expect(() => abandon(set, ['attempt-0', name], author, host)).toThrow(expect.objectContaining({ code }))
    expect(set.size).toBe(size)
  })

  test('nor is what was abandoned merged all at once, by the name of the branch that ends it', () => {
    const set = fanOut(2)
    abandon(set, attempts(set), author, host)
    const main = new BranchWriter(set, host, MAIN_BRANCH, 'supervisor')
    expect(() => main.merge([ABANDONED_BRANCH])).toThrow(expect.objectContaining({ code: 'WEFT_ID_INVALID' }))
  })
})
