import { BranchWriter, ChangeSet, type Json, resolveOptions, type TokenCounter } from '@weft/core'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { histories, replicaOf } from '../support/core-history.ts'
import { comesUp, holds, seededDice, seededHost, sha256 } from '../support/core-property.ts'
import { answer, call, Kinds } from '../support/window-talk.ts'
import { byLength, Talk, windowsOf } from '../support/window-values.ts'

describe('[WIN-2] calls and results that share an id', () => {
  test('are paired alike by whoever saw them come one by one, and by whoever sees them all at once', () => {
    let reverted = 0
    holds(fc.tuple(histories({ steps_max: 60 }), fc.nat()), ([{ changes, host }, seed]) => {
      const dice = seededDice(seed)
      // What is pinned is looked up first, before what came after it.
      const pin = { kinds: seed % 2 === 0 ? ['decision'] : [] }
      const recipe = resolveOptions({ budget: 1e9, count: byLength, as: 'parts', pin }, Talk)
      const set = replicaOf([])
      const windows = windowsOf(set)
      for (const change of changes) {
        set.add(change)
        if (dice(8) === 0) {
          new BranchWriter(set, host, 'main', 'undo').write({
            notes: { reverts: set.dag.packIds([dice(set.size)]) },
          })
          reverted++
        }
        if (dice(3) === 0) windows.make(recipe, byLength)
      }
      const [seen, anew] = [windows.make(recipe, byLength), windowsOf(set).make(recipe, byLength)]
      expect(seen.text).toBe(anew.text)
      expect(seen.leftOut).toEqual(anew.leftOut)
    })
    comesUp(reverted, 200)
  })

  test('cost a turn no more, however many there are', () => {
    const costs = [100, 1_000].map(turns => {
      const set = new ChangeSet(sha256)
      const writer = new BranchWriter(set, seededHost(1), 'main', 'agent')
      const turn = (n: number): void => {
        for (const value of [call('a'), answer('a', `the answer is ${n}`)] as Json[])
          writer.write({ entries: [{ kind: 'message', value }] })
      }
      for (let n = 0; n < turns; n++) turn(1_000 + n)
      const windows = windowsOf(set, set.view('main'), Kinds as never)
      let counted = 0
      const counter: TokenCounter = {
        name: 'counting',
        count: text => {
          counted++
          return text.length
        },
        adds: true,
      }
      const recipe = resolveOptions({ budget: 2_000, count: counter }, Kinds)
      const isAncestor = vi.spyOn(set.dag, 'isAncestor')
      windows.make(recipe, counter)
      const askedAtFirst = isAncestor.mock.calls.length
      counted = 0
      turn(1_000 + turns)
      windows.make(recipe, counter)
      const asked = isAncestor.mock.calls.length - askedAtFirst
      isAncestor.mockRestore()
      return { counted, asked, askedPerTurnAtFirst: askedAtFirst / turns }
    })
    expect(costs[1]).toEqual(costs[0])
    expect(costs[1]!.counted).toBeLessThan(10)
  })
})
