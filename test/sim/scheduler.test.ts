import { Dice, NO_SKEW, Scheduler, SimProcess } from '@weft/testkit'
import { describe, expect, it } from 'vitest'

describe('virtual time', () => {
  it('lets things happen by their time, then by when they were planned, whatever is planned meanwhile', async () => {
    const scheduler = new Scheduler()
    const dice = new Dice(1)
    const happened: number[] = []
    const planned = Array.from({ length: 500 }, () => Math.floor(dice.between(0, 50)))
    for (const ms of planned) scheduler.plan(ms, 'event', () => happened.push(ms))
    scheduler.plan(25, 'plans another', () => scheduler.plan(0, 'at once', () => happened.push(25.5)))
    while (await scheduler.turn());
    expect(happened.filter(ms => ms !== 25.5)).toEqual([...planned].sort((a, b) => a - b))
    expect(happened.indexOf(25.5)).toBe(happened.lastIndexOf(25) + 1)
    expect(scheduler.steps).toBe(502)
  })

  it('settles every promise before the next thing happens', async () => {
    const scheduler = new Scheduler()
    const happened: string[] = []
    scheduler.plan(1, 'first', async () => {
      for (let i = 0; i < 100; i++) await undefined
      happened.push('what follows from the first')
    })
    scheduler.plan(1, 'second', () => happened.push('second'))
    while (await scheduler.turn());
    expect(happened).toEqual(['what follows from the first', 'second'])
  })

  it('drops what is cancelled or of a dead process, and keeps what is of a frozen one', async () => {
    const scheduler = new Scheduler()
    const process = new SimProcess('host', 'host#1', scheduler, new Dice(1), NO_SKEW)
    const happened: [string, number][] = []
    const note = (name: string) => () => happened.push([name, scheduler.elapsed_ms])
    scheduler.plan(1, 'cancelled', note('cancelled'))()
    process.clock.after(2, note('frozen'))
    process.freeze(10)
    process.clock.after(20, () => process.kill())
    process.clock.after(30, note('dead'))
    while (await scheduler.turn());
    expect(happened).toEqual([['frozen', 10]])
  })

  it('shows each process its own clock, in whole milliseconds', async () => {
    const scheduler = new Scheduler()
    const skewed = new SimProcess('host', 'host#1', scheduler, new Dice(1), { offset_ms: 250, rate: 0.5 })
    const began_ms = skewed.clock.now()
    let fired_ms = 0
    skewed.clock.after(30, () => {
      fired_ms = scheduler.elapsed_ms
    })
    while (await scheduler.turn());
    expect(began_ms - Math.floor(scheduler.now_ms - scheduler.elapsed_ms)).toBe(250)
    expect(fired_ms).toBe(20)
    expect(skewed.clock.now() - began_ms).toBe(30)
  })

  it('the same dice roll the same, and dice apart are not moved by each other', () => {
    const rolls = (dice: Dice) => Array.from({ length: 50 }, () => dice.bits())
    const dice = new Dice(7)
    const apart = dice.apart('network')
    rolls(dice)
    expect(rolls(apart)).toEqual(rolls(new Dice(7).apart('network')))
    expect(rolls(new Dice(7).apart('disk'))).not.toEqual(rolls(new Dice(7).apart('network')))
    expect(rolls(new Dice(8))).not.toEqual(rolls(new Dice(7)))
  })
})
