import type { Dice } from './dice.js'
import type { DiskTrouble, Rows, SimDisk } from './disk.js'
import { type Fault, type FaultKind, planDrops, planFaults } from './faults.js'
import type { Route, SimNetwork } from './network.js'
import type { Operator } from './operator.js'
import type { Lane } from './pipe.js'
import { NO_SKEW, type Skew } from './process.js'
import type { Scheduler } from './scheduler.js'
import type { SimPeer } from './sim-peer.js'
import type { SimWorker } from './sim-worker.js'

/** What faults act on. */
export interface Target {
  readonly scheduler: Scheduler
  readonly network: SimNetwork
  readonly disk: SimDisk
  readonly peer: SimPeer
  readonly workers: readonly SimWorker[]
  readonly operator: Operator
  /** One bit on the disk is another. */
  flip(dice: Dice): void
  /** Reads all that lies on the disk, as a backup does. */
  inspect(): void
  /** Puts a backup in the place of what is on the disk. */
  rollBack(backup: Rows): void
}

const RESTART_MS = { least: 5, most: 90 }
const REPAIR_MS = { least: 40, most: 200 }
const OFFSET_MS = 400
const RATE = 1e-4
/** So many drops are met by something else that goes wrong, within so long: a drop takes a few writes. */
const MET = 0.6
const MET_MS = { least: 0, most: 8 }
const IN_A_DROP: readonly FaultKind[] = [
  'crash-peer',
  'power-cut',
  'torn',
  'eio',
  'enospc',
  'stall',
  'freeze-peer',
]
/** So many workers whose clock is set are out of reach then. */
const WAKES_ALONE = 0.5
/** So many of its workers are started anew when a tenant was dropped; the others still have what they held. */
const STARTED_ANEW = 0.6

/** Brings the faults that were planned into the world, and mends what they broke, after a while or all at once. */
export class Nemesis {
  /** Of those that have happened, by their index. */
  readonly happened: Fault[] = []
  readonly #plans: readonly Generator<Fault, undefined>[]
  readonly #isSkewed: boolean
  readonly #isParting: boolean
  readonly #inADrop: readonly FaultKind[]
  #isOver = false
  #isRollingBack = false

  /** @param skip indexes of faults that are left out */
  constructor(
    private readonly target: Target,
    private readonly dice: Dice,
    kinds: readonly FaultKind[],
    every_ms: number,
    private readonly skip: ReadonlySet<number>,
  ) {
    this.#plans = [planFaults(dice.apart('plan'), kinds, every_ms)]
    if (kinds.includes('drop')) this.#plans = [...this.#plans, planDrops(dice.apart('drops'))]
    this.#isSkewed = kinds.includes('skew')
    this.#isParting = kinds.includes('partition')
    this.#inADrop = IN_A_DROP.filter(kind => kinds.includes(kind))
  }

  begin(): void {
    for (const plan of this.#plans) this.#goOn(plan)
  }

  #goOn(plan: Generator<Fault, undefined>): void {
    const { value: fault } = plan.next()
    if (fault === undefined) return
    const { scheduler } = this.target
    scheduler.plan(fault.at_ms - scheduler.elapsed_ms, `fault ${fault.kind}`, () => {
      if (this.#isOver) return
      if (!this.skip.has(fault.index)) {
        this.happened.push(fault)
        this.#enact[fault.kind](this.dice.apart(`fault ${fault.index}`))
      }
      this.#goOn(plan)
    })
  }

  /** A clock for a process that begins. */
  skew(dice: Dice): Skew {
    if (!this.#isSkewed) return NO_SKEW
    return { offset_ms: anyOffset(dice), rate: dice.between(-RATE, RATE) }
  }

  /** No more faults, and none of the old ones: everything runs, and can reach everything. */
  heal(): void {
    this.#isOver = true
    const { network, disk, peer, workers } = this.target
    for (const { host, run } of workers) {
      clear(network.route(host))
      run?.process.thaw()
    }
    peer.process?.thaw()
    disk.trouble = 'none'
    disk.stall_ms = 0
    network.released()
    if (disk.isDamaged) this.#repair(this.dice.apart('heal'))
    if (!peer.isUp) this.#startPeer(this.dice.apart('heal'))
    for (const worker of workers)
      if (worker.run === undefined) this.startWorker(worker, this.dice.apart('heal'))
  }

  startWorker(worker: SimWorker, dice: Dice): void {
    if (worker.run === undefined) void worker.start(this.skew(dice))
  }

  /** A worker is started again a while after it has died. */
  restartWorker(worker: SimWorker, dice: Dice): void {
    worker.kill()
    this.#later(dice, RESTART_MS, `start ${worker.host}`, () => this.startWorker(worker, dice))
  }

  readonly #enact: Readonly<Record<FaultKind, (dice: Dice) => void>> = {
    'crash-worker': dice => this.restartWorker(dice.pick(this.target.workers), dice),
    'crash-peer': dice => this.#crashPeer(dice, disk => disk.processDied()),
    'power-cut': dice => this.#crashPeer(dice, disk => disk.powerCut(false)),
    torn: dice => {
      this.#crashPeer(dice, disk => disk.powerCut(true))
      this.#repairLater(dice)
    },
    flip: dice => {
      this.target.flip(dice)
      this.target.inspect()
      // What is damaged is found when it is read: by a peer that begins, or for a worker that remembers nothing.
      if (dice.chance(0.6)) this.#crashPeer(dice, disk => disk.processDied())
      else this.restartWorker(dice.pick(this.target.workers), dice)
      this.#repairLater(dice)
    },
    rollback: dice => this.#rollBack(dice),
    partition: dice => {
      const { up, down } = this.#route(dice)
      this.#block(dice, [up, down], 500)
    },
    'half-partition': dice => {
      const { up, down } = this.#route(dice)
      this.#block(dice, [dice.pick([up, down])], 500)
    },
    swizzle: dice => this.#swizzle(dice),
    clog: dice => {
      const extra_ms = dice.chance(0.5) ? dice.between(3, 40) : dice.between(40, 150)
      this.#change(dice, 300, this.#route(dice), { extra_ms }, { extra_ms: 0 })
    },
    mangle: dice => this.#change(dice, 150, this.#route(dice), { mangled: 0.25 }, { mangled: 0 }),
    cut: dice => this.target.network.cut(dice.pick(this.target.workers).host),
    'freeze-worker': dice => dice.pick(this.target.workers).run?.process.freeze(dice.between(10, 400)),
    'freeze-peer': dice => this.target.peer.process?.freeze(dice.between(5, 200)),
    'set-clock': dice => this.#setClock(dice),
    eio: dice => this.#trouble(dice, 'eio'),
    enospc: dice => this.#trouble(dice, 'enospc'),
    stall: dice => this.#stall(dice),
    drop: dice => this.#drop(dice),
    // Of every clock, and of every token, from the beginning.
    skew: () => {},
    expiry: () => {},
  }

  /** Has a tenant dropped, perhaps while something else goes wrong. */
  #drop(dice: Dice): void {
    const { operator, workers } = this.target
    const { tenant } = dice.pick(workers)
    operator.drop(tenant, dice.apart('asked'), () => {
      for (const worker of workers.filter(each => each.tenant === tenant))
        if (dice.chance(STARTED_ANEW)) this.restartWorker(worker, dice.apart(worker.host))
    })
    if (this.#inADrop.length === 0 || !dice.chance(MET)) return
    const kind = dice.pick(this.#inADrop)
    const meeting = dice.apart('met')
    this.#later(dice, MET_MS, `${kind} in a drop`, () => {
      if (!this.#isOver) this.#enact[kind](meeting)
    })
  }

  /** A machine that was asleep, and wakes to another time, may not reach anybody for a while. */
  #setClock(dice: Dice): void {
    const { peer, network, workers } = this.target
    const processes = [peer.process, ...workers.map(({ run }) => run?.process)]
    const process = dice.pick(processes)
    process?.setClock(anyOffset(dice))
    const worker = workers.find(({ run }) => run !== undefined && run.process === process)
    if (worker === undefined || !this.#isParting || !dice.chance(WAKES_ALONE)) return
    const { up, down } = network.route(worker.host)
    this.#block(dice, [up, down], 500)
  }

  #route(dice: Dice): Route {
    return this.target.network.route(dice.pick(this.target.workers).host)
  }

  #crashPeer(dice: Dice, toDisk: (disk: SimDisk) => void): void {
    this.target.peer.kill()
    toDisk(this.target.disk)
    this.#later(dice, RESTART_MS, 'start peer', () => this.#startPeer(dice))
  }

  #rollBack(dice: Dice): void {
    const { disk, network, peer } = this.target
    // A backup from before a rollback would bring another history than the one that has begun since.
    if (this.#isRollingBack) return
    this.#isRollingBack = true
    const backup = disk.durable
    this.#later(dice, { least: 5, most: 100 }, 'roll back', () => {
      this.#isRollingBack = false
      if (this.#isOver) return
      const { process } = peer
      if (process) network.lost(process)
      this.#crashPeer(dice, each => each.processDied())
      this.target.rollBack(backup)
    })
  }

  #startPeer(dice: Dice): void {
    if (!this.target.peer.isUp) this.target.peer.start(this.skew(dice))
  }

  #repairLater(dice: Dice): void {
    const { disk } = this.target
    if (!disk.isDamaged) return
    this.#later(dice, REPAIR_MS, 'repair', () => {
      if (disk.isDamaged) this.#repair(dice)
    })
  }

  /** What somebody does who has a backup: stops the peer, brings back what is damaged, starts it again. */
  #repair(dice: Dice): void {
    const { peer, disk } = this.target
    peer.kill()
    disk.processDied()
    disk.restore()
    this.#startPeer(dice)
  }

  #block(dice: Dice, lanes: readonly { isBlocked: boolean }[], most_ms: number): void {
    const set = (isBlocked: boolean) => () => {
      for (const lane of lanes) lane.isBlocked = isBlocked
      this.target.network.released()
    }
    this.#during(dice, most_ms, set(true), set(false))
  }

  /** Stops the routes of some one after the other, and opens them again in another order. */
  #swizzle(dice: Dice): void {
    const { network, workers } = this.target
    const some = dice.shuffled(workers).slice(0, 1 + dice.below(workers.length))
    for (const [turn, { host }] of some.entries()) {
      const { up, down } = network.route(host)
      this.#later(dice, { least: turn * 4, most: turn * 4 + 4 }, `stop ${host}`, () => {
        if (!this.#isOver) this.#block(dice, [up, down], 200)
      })
    }
  }

  #change(dice: Dice, most_ms: number, { up, down }: Route, bad: Partial<Lane>, good: Partial<Lane>): void {
    const set = (lane: Partial<Lane>) => () => {
      Object.assign(up, lane)
      Object.assign(down, lane)
    }
    this.#during(dice, most_ms, set(bad), set(good))
  }

  #trouble(dice: Dice, trouble: DiskTrouble): void {
    const set = (present: DiskTrouble) => () => {
      this.target.disk.trouble = present
    }
    this.#during(dice, 80, set(trouble), set('none'))
  }

  /** A disk that is busy with something else: each write takes long, and comes to be done. */
  #stall(dice: Dice): void {
    const set = (stall_ms: number) => () => {
      this.target.disk.stall_ms = stall_ms
    }
    this.#during(dice, 150, set(dice.between(5, 60)), set(0))
  }

  #during(dice: Dice, most_ms: number, begin: () => void, end: () => void): void {
    begin()
    this.#later(dice, { least: 5, most: most_ms }, 'mend', end)
  }

  #later(dice: Dice, { least, most }: { least: number; most: number }, label: string, act: () => void): void {
    this.target.scheduler.plan(dice.between(least, most), label, act)
  }
}

function anyOffset(dice: Dice): number {
  return Math.round(dice.between(-OFFSET_MS, OFFSET_MS))
}

function clear({ up, down }: Route): void {
  for (const lane of [up, down]) Object.assign(lane, { isBlocked: false, extra_ms: 0, mangled: 0 })
}
