import type { Transport } from '@weft/core'
import { Dice, NO_SKEW, Scheduler, SimNetwork, SimProcess } from '@weft/testkit'
import { describe, expect, it } from 'vitest'

const worker = 'acme-1'

/** A worker's process, a peer's, and what each end of their connections hears. */
class Rig {
  readonly scheduler = new Scheduler()
  readonly network: SimNetwork
  readonly worker: SimProcess
  readonly peer: SimProcess
  readonly atPeer: string[] = []
  readonly atWorker: string[] = []
  server: Transport | undefined

  constructor(seed = 1) {
    const dice = new Dice(seed)
    this.network = new SimNetwork(this.scheduler, dice, {
      sent: () => {},
      arrived: () => {},
      answered: () => {},
    })
    this.worker = new SimProcess(worker, `${worker}#1`, this.scheduler, dice.apart('worker'), NO_SKEW)
    this.peer = new SimProcess('peer', 'peer#1', this.scheduler, dice.apart('peer'), NO_SKEW)
    this.network.listen(this.peer, socket => {
      this.server = socket
      listen(socket, this.atPeer)
    })
  }

  async connect(): Promise<Transport> {
    const socket = this.network.dial(this.worker)
    listen(socket, this.atWorker)
    await this.run(20)
    return socket
  }

  /** Lets so much time pass. */
  async run(ms: number): Promise<void> {
    const until_ms = this.scheduler.elapsed_ms + ms
    this.scheduler.plan(ms, 'rest', () => {})
    while (this.scheduler.elapsed_ms < until_ms) await this.scheduler.turn()
  }
}

function listen(socket: Transport, heard: string[]): void {
  socket.on('open', () => heard.push('open'))
  socket.on('message', frame => heard.push(String(frame[0])))
  socket.on('pong', () => heard.push('pong'))
  socket.on('error', () => heard.push('error'))
  socket.on('close', code => heard.push(`close ${code}`))
}

function send(socket: Transport, ...numbers: number[]): void {
  for (const number of numbers) socket.send(Uint8Array.of(number))
}

describe('the simulated network', () => {
  it('lets go of a connection that is given up before it is there', async () => {
    for (const giveUp of ['close', 'terminate'] as const) {
      const rig = new Rig()
      const socket = rig.network.dial(rig.worker)
      listen(socket, rig.atWorker)
      socket[giveUp](1000)
      await rig.run(1_000)
      expect(rig.atWorker).toEqual(['close 1006'])
      expect(rig.server).toBeUndefined()
    }
  })

  it('delivers frames in order, answers pings, and says goodbye on both sides', async () => {
    const rig = new Rig()
    const socket = await rig.connect()
    send(socket, 1, 2, 3)
    rig.server!.ping()
    await rig.run(20)
    socket.close(1000)
    await rig.run(20)
    expect(rig.atPeer).toEqual(['1', '2', '3', 'pong', 'close 1000'])
    expect(rig.atWorker).toEqual(['open', 'close 1000'])
  })

  it('holds what is sent into a partition, counts it as buffered, and delivers it when that ends', async () => {
    const rig = new Rig()
    const socket = await rig.connect()
    rig.network.route(worker).up.isBlocked = true
    send(socket, 1, 2)
    await rig.run(50)
    expect(rig.atPeer).toEqual([])
    expect(socket.bufferedAmount).toBe(2)
    rig.network.route(worker).up.isBlocked = false
    rig.network.released()
    await rig.run(20)
    expect(rig.atPeer).toEqual(['1', '2'])
    expect(socket.bufferedAmount).toBe(0)
  })

  it('makes no connection through a partition, nor to a peer that is gone', async () => {
    const rig = new Rig()
    rig.network.route(worker).down.isBlocked = true
    await rig.connect()
    await rig.run(500)
    expect(rig.atWorker).toEqual(['error', 'close 1006'])
    rig.network.route(worker).down.isBlocked = false
    rig.peer.kill()
    await rig.connect()
    expect(rig.atWorker.slice(2)).toEqual(['error', 'close 1006'])
  })

  it('breaks the connections of a process that died; what it had sent arrives whole or not at all', async () => {
    const heard = new Set<string>()
    for (let seed = 1; seed <= 12; seed++) {
      const rig = new Rig(seed)
      send(await rig.connect(), 1, 2)
      rig.worker.kill()
      rig.network.vanished(rig.worker)
      await rig.run(20)
      heard.add(rig.atPeer.join())
    }
    expect([...heard].sort()).toEqual(['1,2,close 1006', 'close 1006'])
  })

  it('loses, doubles and swaps frames of a mangled lane, and then breaks the connection', async () => {
    const heard = new Set<string>()
    for (let seed = 1; seed <= 60; seed++) {
      const rig = new Rig(seed)
      const socket = await rig.connect()
      rig.network.route(worker).up.mangled = 0.3
      send(socket, 1, 2)
      await rig.run(100)
      heard.add(rig.atPeer.join().replace(/,?close 1006/, ''))
      if (rig.atPeer.join() !== '1,2') expect(rig.atPeer.at(-1)).toBe('close 1006')
    }
    for (const outcome of ['1,2', '1', '2', '1,1,2', '2,1']) expect(heard).toContain(outcome)
  })

  it('keeps what comes for a frozen process until it goes on', async () => {
    const rig = new Rig()
    const socket = await rig.connect()
    rig.peer.freeze(100)
    send(socket, 1)
    await rig.run(50)
    expect(rig.atPeer).toEqual([])
    await rig.run(60)
    expect(rig.atPeer).toEqual(['1'])
  })
})
