import { FairQueue, type Flow, RoundRobin, SLICE_COST, Turns } from '@weft/peer'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { holds } from '../support/core-property.ts'

const QUANTUM = 100

/** Does its pieces one after the other, and writes down when. */
class Pieces implements Flow {
  spent = 0

  constructor(
    readonly name: string,
    readonly costs: number[],
    private readonly done: string[] = [],
  ) {}

  step(): number | undefined {
    const cost = this.costs.shift()
    if (cost === undefined) return undefined
    this.spent += cost
    this.done.push(this.name)
    return cost
  }
}

function alike(count: number, cost: number): number[] {
  return Array.from({ length: count }, () => cost)
}

describe('flows in turn', () => {
  test('each does about a quantum, then the next one has its turn', () => {
    const done: string[] = []
    const turns = new RoundRobin(QUANTUM)
    turns.add(new Pieces('a', alike(6, 50), done))
    turns.add(new Pieces('b', alike(6, 50), done))
    while (turns.step() !== undefined);
    expect(done.join('')).toBe('aabbaabbaabb')
  })

  test('a piece that is larger than a quantum is paid for by turns that are passed over', () => {
    const done: string[] = []
    const turns = new RoundRobin(QUANTUM)
    turns.add(new Pieces('L', [350, 350], done))
    turns.add(new Pieces('s', alike(8, 100), done))
    while (turns.step() !== undefined);
    expect(done.join('')).toBe('LsssLsssss')
  })

  test('one that has nothing to do is gone, and comes last when it is added again', () => {
    const done: string[] = []
    const turns = new RoundRobin(QUANTUM)
    const idle = new Pieces('i', [], done)
    turns.add(idle)
    turns.add(new Pieces('b', alike(2, QUANTUM), done))
    expect([turns.step(), turns.size]).toEqual([QUANTUM, 1])
    idle.costs.push(1)
    turns.add(idle)
    while (turns.step() !== undefined);
    expect(done.join('')).toBe('bbi')
    expect([turns.step(), turns.size]).toEqual([undefined, 0])
  })

  test('who always has work gets as much as the others, whatever its pieces cost', () => {
    const costs = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 })
    holds(
      fc.tuple(fc.array(costs, { minLength: 2, maxLength: 6 }), fc.integer({ min: 1, max: 300 })),
      ([patterns, steps]) => {
        const flows = patterns.map((pattern, index) => new Pieces(`${index}`, repeated(pattern, steps)))
        const turns = new RoundRobin(QUANTUM)
        for (const flow of flows) turns.add(flow)
        for (let i = 0; i < steps; i++) turns.step()
        const spent = flows.map(flow => flow.spent)
        // A quantum, and a piece that went beyond it, at either end.
        expect(Math.max(...spent) - Math.min(...spent)).toBeLessThanOrEqual(2 * (QUANTUM + 400))
      },
      300,
    )
  })
})

describe('[TEN-2] tenants in turn', () => {
  test('a tenant that brings many flows gets no more than one that brings one', () => {
    const done: string[] = []
    const queue = new FairQueue(QUANTUM)
    for (let i = 0; i < 50; i++) queue.add('flooder', new Pieces('f', alike(10, QUANTUM), done))
    queue.add('other', new Pieces('o', alike(10, QUANTUM), done))
    queue.run(20 * QUANTUM)
    expect(done.filter(name => name === 'o')).toHaveLength(10)
  })

  test('who comes while another one floods waits for a quantum, and not for what was there before', () => {
    const done: string[] = []
    const queue = new FairQueue(QUANTUM)
    for (let i = 0; i < 50; i++) queue.add('flooder', new Pieces('f', alike(1_000, 10), done))
    queue.run(QUANTUM / 2)
    done.length = 0
    queue.add('other', new Pieces('o', [10], done))
    queue.run(2 * QUANTUM)
    expect(done.indexOf('o')).toBeLessThanOrEqual(QUANTUM / 10)
  })

  test('connections of one tenant get alike', () => {
    const queue = new FairQueue(QUANTUM)
    const [bulk, small] = [new Pieces('bulk', alike(100, 300)), new Pieces('small', alike(1_000, 10))]
    queue.add('t', bulk)
    queue.add('t', small)
    queue.run(6_000)
    expect(Math.abs(bulk.spent - small.spent)).toBeLessThanOrEqual(2 * (QUANTUM + 300))
  })

  test('a run ends when its cost is spent, or nothing is left', () => {
    const queue = new FairQueue(QUANTUM)
    const pieces = new Pieces('a', alike(5, 60))
    queue.add('t', pieces)
    expect(queue.run(100)).toBe(true)
    expect(pieces.spent).toBe(120)
    expect(queue.run(1_000)).toBe(false)
    expect([pieces.spent, queue.tenants]).toEqual([300, 0])
  })
})

describe('turns', () => {
  test('are taken one slice after the other, with what else is due between them', async () => {
    const due: (() => void)[] = []
    const turns = new Turns(fn => void due.push(fn))
    const done: string[] = []
    turns.add('t', new Pieces('a', alike(3, SLICE_COST - 1), done))
    const turn = turns.turn('t', 10).then(() => done.push('turn'))
    const idle = turns.idle().then(() => done.push('idle'))
    expect([done.length, due.length]).toEqual([0, 1])
    due.shift()!()
    expect([done.length, due.length]).toEqual([2, 1])
    while (due.length > 0) due.shift()!()
    await Promise.all([turn, idle])
    expect(done).toEqual(['a', 'a', 'a', 'turn', 'idle'])
    await turns.idle()
  })
})

function repeated(pattern: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, index) => pattern[index % pattern.length]!)
}
