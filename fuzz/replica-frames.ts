import { BranchWriter, type Change, ChangeSet, type Clock } from '@weft/core'
import { MESSAGES, type MessageName, WIRE_LIMITS } from '@weft/protocol'
import { connect, defineContext, type Replica } from '@weft/replica'
import { makeChange } from './change-maker.js'
import { Harm } from './corpus.js'
import { Dice, sha256 } from './dice.js'
import { makeFrame } from './frame-maker.js'
import { hex } from './honest.js'
import { Line, turns } from './line.js'

const FROM_PEER = (Object.keys(MESSAGES) as MessageName[]).filter(name => MESSAGES[name].type >= 16)
const BATCH = 50
const Anything = defineContext({ name: 'fuzz', version: 1, entries: {}, initial: {} })

export interface ReplicaReport {
  readonly frames: number
  /** Connections that the replica made: it leaves a peer that does not keep to the protocol, and comes again. */
  readonly dialled: number
}

/** A peer that says anything at all. Its replica goes on, and serves what an honest peer brings after it. */
export async function fuzzReplica(count: number, seed: number): Promise<ReplicaReport> {
  const dice = new Dice(seed)
  const changes = soundChanges(dice)
  const hostile = changes.map(change => makeChange(dice, change, changes))
  const pool = [...changes.map(({ bytes }) => bytes), ...hostile]
  const world = await ReplicaWorld.start(dice)
  for (let done = 0; done < count; done += BATCH) {
    const length = Math.min(BATCH, count - done)
    const frames = Array.from({ length }, () => makeFrame(dice, pool, FROM_PEER))
    try {
      await world.fire(`w${done}`, frames)
    } catch (error) {
      const sample = { kind: 'replica-frames' as const, log: [], inputs: frames.map(hex) }
      throw new Harm(`frames to a replica from ${done}: ${String(error)}`, sample, error)
    }
  }
  await world.end(changes)
  return { frames: count, dialled: world.dialled }
}

/** @throws when the replica does not live on */
export async function fireReplica(frames: readonly Uint8Array[], dice: Dice): Promise<void> {
  const world = await ReplicaWorld.start(dice)
  await world.fire('w', frames)
  await world.end(soundChanges(dice))
}

/** What a replica dials: the line that it speaks on now, and how many there were. */
class Exchange {
  line = new Line()
  dialled = 0

  readonly dial = (): Line => {
    this.line = new Line()
    this.dialled++
    const { line } = this
    queueMicrotask(() => line.emit('open'))
    return line
  }
}

/** A replica whose peer is whoever holds the other end of its lines. */
class ReplicaWorld {
  private constructor(
    private readonly replica: Replica,
    private readonly exchange: Exchange,
    private readonly dice: Dice,
  ) {}

  static async start(dice: Dice): Promise<ReplicaWorld> {
    const exchange = new Exchange()
    const host = { ...dice.host(), clock, idleClock: clock, dice: () => 0, dial: exchange.dial }
    const replica = await connect({ url: 'ws://fuzz', token: 't', offline: true, host })
    return new ReplicaWorld(replica, exchange, dice)
  }

  get dialled(): number {
    return this.exchange.dialled
  }

  /** Sends these while a context is open, and reads it then. */
  async fire(workflow: string, frames: readonly Uint8Array[]): Promise<void> {
    const context = await this.replica.open(Anything, { workflow, agent: 'a', offline: true })
    for (const frame of frames) {
      const line = await lineOf(this.exchange, this.dice.chance(2) ? workflow : undefined)
      line.give(frame)
      await undefined
    }
    context.state.valueOf()
    context.entries()
    await context.close()
  }

  async end(changes: readonly Change[]): Promise<void> {
    await servesStill(this.exchange, this.replica, changes)
    await this.replica.close({ discard: true })
  }
}

async function servesStill(exchange: Exchange, replica: Replica, changes: readonly Change[]): Promise<void> {
  exchange.line.hangUp()
  const opening = replica.open(Anything, { workflow: 'honest', agent: 'a', timeout_ms: 60_000 })
  const line = await lineOf(exchange, undefined)
  for (;;) {
    const open = await line.next('open')
    const isIt = open.workflow === 'honest'
    line.say({
      name: 'opened',
      channel: open.channel,
      count: isIt ? changes.length : 0,
      heads: new Uint8Array(0),
      known: true,
    })
    if (!isIt) continue
    line.say({ name: 'log', channel: open.channel, from: 1, items: changes.map(({ bytes }) => bytes) })
    break
  }
  const context = await opening
  const held = context.changes().map(({ id }) => id)
  for (const { id } of changes)
    if (!held.includes(id)) throw new Error('what an honest peer brings is not taken in')
}

/** The line that the replica speaks on now, which was welcomed, and told that a context is open. */
async function lineOf(exchange: Exchange, workflow: string | undefined): Promise<Line> {
  for (let i = 0; i < 10_000; i++) {
    const { line } = exchange
    if (!line.isOpen) {
      await turns(1)
      continue
    }
    if (line.inbox.some(({ name }) => name === 'hello')) {
      await line.next('hello')
      const { frame_bytes_max, push_bytes_max } = WIRE_LIMITS
      line.say({
        name: 'welcome',
        version: 1,
        tenant: 't',
        scopes: ['read', 'write'],
        push_bytes_max,
        frame_bytes_max,
      })
    }
    const open = line.inbox.find(message => message.name === 'open' && message.workflow === workflow)
    if (open?.name === 'open') {
      line.inbox.splice(line.inbox.indexOf(open), 1)
      line.say({ name: 'opened', channel: open.channel, count: 3, heads: new Uint8Array(0), known: true })
    }
    return line
  }
  throw new Error('the replica does not come back')
}

function soundChanges(dice: Dice): Change[] {
  const set = new ChangeSet(sha256)
  const writer = new BranchWriter(set, dice.host(), 'main', 'peer')
  for (let i = 0; i < 4; i++)
    writer.write({ state: { i, list: [i] }, entries: [{ kind: 'message', value: i }] })
  writer.state.free()
  return [...set.changes()]
}

/** Who waits before connecting again need not wait here; deadlines stay. */
const clock: Clock = {
  now: () => Date.now(),
  steady: () => Math.floor(performance.now()),
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms < 5_000 ? 0 : ms)
    return () => clearTimeout(timer)
  },
}
