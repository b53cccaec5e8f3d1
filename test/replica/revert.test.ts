import { WeftError } from '@weft/replica'
import { describe, expect, it } from 'vitest'
import { planOn, replicas } from '../support/steps-peer.ts'

function codeOf(act: () => unknown): string | undefined {
  try {
    act()
  } catch (error) {
    if (error instanceof WeftError) return error.code
    throw error
  }
  return undefined
}

describe('revert', () => {
  it('[STP-4] undoes a step on every replica, and says so in the audit', async () => {
    const [here, there] = await replicas(2)
    const [a, b] = [await planOn(here!, 'ada'), await planOn(there!, 'bob')]
    a.append('memory', { text: 'kept' })
    const { change } = await a.step('wrong turn', step => {
      step.append('decision', { text: 'use yaml' })
      step.change(state => {
        state.format = 'yaml'
      })
    })
    await b.until(() => b.entries().length === 2)
    const preview = b.revert({ change: change! }, { dryRun: true })
    expect(preview).toMatchObject({
      changes: [change],
      entries: [`${change}.0`],
      restored: [],
      pointers: [{ pointer: '/format', from: 'yaml', to: 'text' }],
      kept: [],
    })
    expect(preview.receipt.change).toBeUndefined()
    expect(b.entries()).toHaveLength(2)
    const { receipt, ...plan } = b.revert({ change: change! }, { reason: 'yaml was never asked for' })
    expect({ ...plan, receipt: preview.receipt }).toEqual(preview)
    await receipt.committed
    await a.until(() => a.entries().length === 1)
    for (const context of [a, b]) {
      expect(context.state.format).toBe('text')
      expect(context.entries().map(({ kind }) => kind)).toEqual(['memory'])
      expect(context.entries({ reverted: true })).toHaveLength(2)
      const records = [...context.audit()]
      expect(records.find(record => record.change === change)).toMatchObject({ revertedBy: [receipt.change] })
      expect(records.find(record => record.change === receipt.change)).toMatchObject({
        reverts: [change],
        reason: 'yaml was never asked for',
        agent: 'bob',
        revertedBy: [],
      })
    }
    expect(a.digest()).toBe(b.digest())
    await a.step('look', step => expect(step.entries()).toHaveLength(1))
    a.revert({ change: receipt.change! })
    expect(a.entries()).toHaveLength(2)
    expect(a.state.format).toBe('yaml')
  })

  it('[STP-4] leaves what others have written since, and says by which change', async () => {
    const [here] = await replicas(1)
    const a = await planOn(here!, 'ada')
    const b = await planOn(here!, 'bob')
    const wrote = a.change(state => {
      state.format = 'yaml'
      state.count = 3
    })
    const since = b.change(state => {
      state.format = 'json'
    })
    const plan = b.revert({ change: wrote.change! })
    expect(plan.kept).toEqual([{ pointer: '/format', by: [since.change] }])
    expect(plan.pointers).toEqual([{ pointer: '/count', from: 3, to: 0 }])
    expect(b.state).toMatchObject({ format: 'json', count: 0 })
  })

  it('[STP-4] by position, actor and blast radius, each as a function of the branch', async () => {
    const [here] = await replicas(1)
    const a = await planOn(here!, 'ada')
    a.append('memory', { text: 'one' })
    const two = a.append('memory', { text: 'two' }, { dependsOn: ['ext:doc/1@v1'] })
    await two.committed
    const [genesis, first] = [...a.audit()]
    expect(a.revert({ from: 1, to: 2 }, { dryRun: true }).changes).toEqual([first!.change])
    expect(codeOf(() => a.revert({ from: 1, to: 1 }))).toBe('WEFT_REVERT_NOTHING')
    expect(codeOf(() => a.revert({ change: genesis!.change }))).toBe('WEFT_REVERT_NOTHING')
    const all = [first!.change, two.change]
    expect(a.revert({ actor: first!.actor }, { dryRun: true }).changes).toEqual(all)
    expect(a.revert({ blastRadius: 'ext:doc/1' }).changes).toEqual([two.change])
    expect(codeOf(() => a.revert({ blastRadius: 'ext:doc/1' }))).toBe('WEFT_REVERT_ALREADY')
    expect(a.revert({ actor: first!.actor }, { dryRun: true }).entries).toEqual([`${first!.change}.0`])
  })

  it('[STP-4] writes nothing where there is nothing, or where the schema refuses what would be left', async () => {
    const [here] = await replicas(1)
    const a = await planOn(here!, 'ada')
    expect(codeOf(() => a.revert({ changes: [] }))).toBe('WEFT_REVERT_NOTHING')
    expect(a.heads).toEqual([])
    a.append('memory', { text: 'one' })
    const heads = a.heads
    expect(codeOf(() => a.revert({ change: 'f'.repeat(64) }))).toBe('WEFT_CHANGE_UNKNOWN')
    expect(codeOf(() => a.revert({ from: 1, to: 99 }))).toBe('WEFT_POSITION_UNKNOWN')
    expect(codeOf(() => a.revert({ blastRadius: 'nothing' }))).toBe('WEFT_REF_INVALID')
    expect(a.heads).toEqual(heads)
  })
})
