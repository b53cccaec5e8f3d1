import { type Transport, TRANSPORT_OPEN } from '@weft/core'
import type { Dice } from './dice.js'
import { type Lane, Pipe } from './pipe.js'
import type { SimProcess } from './process.js'
import type { Scheduler } from './scheduler.js'
import { SimSocket } from './socket.js'

/** Both directions between a worker's host and the peer's. */
export interface Route {
  readonly up: Lane
  readonly down: Lane
}

/** Who looks at the frames between a worker and the peer, as they are sent up and as they arrive below. */
export interface Tap {
  sent(worker: SimProcess, frame: Uint8Array): void
  arrived(worker: SimProcess, frame: Uint8Array): void
  /** The peer has sent a frame to a worker. */
  answered(worker: SimProcess, frame: Uint8Array, peer: SimProcess): void
}

interface Listener {
  readonly process: SimProcess
  accept(socket: Transport): void
}

interface Link {
  readonly worker: SimSocket
  readonly peer: SimSocket
  /** Whether the peer has sent anything. */
  isAnswered: boolean
}

const CONNECT_MS = { least: 0.3, most: 4 }
const CONNECT_TIMEOUT_MS = 300
const PROBE_MS = 20

/** Connections of workers to one peer, over routes that faults act on. */
export class SimNetwork {
  readonly #routes = new Map<string, Route>()
  #links: Link[] = []
  #listener: Listener | undefined

  constructor(
    private readonly scheduler: Scheduler,
    private readonly dice: Dice,
    private readonly tap: Tap,
  ) {}

  /** The route of a host; it outlives the processes on it. */
  route(host: string): Route {
    let route = this.#routes.get(host)
    if (route === undefined) {
      route = { up: clear(), down: clear() }
      this.#routes.set(host, route)
    }
    return route
  }

  listen(process: SimProcess, accept: (socket: Transport) => void): void {
    this.#listener = { process, accept }
  }

  /** A connection that a worker's process begins: what comes of it, its events tell. */
  dial(worker: SimProcess): Transport {
    const socket = new SimSocket(worker)
    const route = this.route(worker.host)
    const connect_ms = this.dice.between(CONNECT_MS.least, CONNECT_MS.most) + route.up.extra_ms
    const deadline_ms = this.scheduler.now_ms + CONNECT_TIMEOUT_MS
    const attempt = (): void => {
      if (socket.readyState > TRANSPORT_OPEN) return
      const listener = this.#listener
      if (route.up.isBlocked || route.down.isBlocked || listener?.process.isFrozen) {
        if (this.scheduler.now_ms >= deadline_ms) socket.failed('connect ETIMEDOUT')
        else this.scheduler.plan(PROBE_MS, `syn ${worker.name}`, attempt, worker)
        return
      }
      if (listener === undefined || listener.process.isDead) socket.failed('connect ECONNREFUSED')
      else this.#connect(route, socket, listener)
    }
    this.scheduler.plan(connect_ms, `connect ${worker.name}`, attempt, worker)
    return socket
  }

  /** Which processes a peer has let in, and has a connection with. */
  connectedTo(peer: SimProcess): SimProcess[] {
    const links = this.#links.filter(link => link.peer.process === peer && link.isAnswered)
    return links.filter(link => link.peer.readyState === TRANSPORT_OPEN).map(link => link.worker.process)
  }

  /** Faults have changed a route: what waits may go. */
  released(): void {
    for (const { worker, peer } of this.#links) {
      worker.pipe.release()
      peer.pipe.release()
    }
  }

  /** The connections of a process break: what it had sent arrives, or does not. */
  vanished(process: SimProcess): void {
    for (const link of this.#links) {
      for (const [mine, other] of [
        [link.worker, link.peer],
        [link.peer, link.worker],
      ] as const) {
        if (mine.process !== process) continue
        if (this.dice.chance(0.5)) mine.pipe.lose()
        mine.pipe.send({ kind: 'reset' })
        other.pipe.lose()
      }
    }
    this.#forgetEnded()
  }

  /** As `vanished`, and nothing that was under way arrives. */
  lost(process: SimProcess): void {
    for (const { worker, peer } of this.#links) {
      if (peer.process !== process) continue
      for (const { pipe } of [worker, peer]) {
        pipe.lose()
        pipe.send({ kind: 'reset' })
      }
    }
  }

  /** The connections of a host break, both ends living on. */
  cut(host: string): void {
    for (const link of this.#links) if (link.worker.process.host === host) this.#cut(link)
  }

  #connect(route: Route, worker: SimSocket, { process, accept }: Listener): void {
    this.#forgetEnded()
    const peer = new SimSocket(process)
    const link = { worker, peer, isAnswered: false }
    const { scheduler, dice } = this
    const mangled = (within_ms: number): void => {
      scheduler.plan(within_ms, `cut ${worker.process.name}`, () => this.#cut(link))
    }
    const name = worker.process.name
    const up = new Pipe(route.up, peer, `${name} up`, scheduler, dice, mangled)
    const down = new Pipe(route.down, worker, `${name} down`, scheduler, dice, mangled)
    worker.pipe = up
    peer.pipe = down
    this.#tapInto(link)
    this.#links.push(link)
    peer.opened()
    down.send({ kind: 'open' })
    accept(peer)
  }

  #tapInto(link: Link): void {
    const { worker, peer } = link
    const { process } = worker
    const answer = peer.send.bind(peer)
    peer.send = (frame, sent) => {
      link.isAnswered = true
      this.tap.answered(process, frame, peer.process)
      answer(frame, sent)
    }
    const send = worker.send.bind(worker)
    worker.send = (frame, sent) => {
      this.tap.sent(process, frame)
      send(frame, sent)
    }
    // Before whoever made the socket hears of it.
    worker.prependListener('message', (frame: Uint8Array) => this.tap.arrived(process, frame))
  }

  #cut({ worker, peer }: Link): void {
    for (const socket of [worker, peer]) {
      if (this.dice.chance(0.5)) socket.pipe.lose()
      socket.pipe.send({ kind: 'reset' })
    }
  }

  #forgetEnded(): void {
    this.#links = this.#links.filter(({ worker, peer }) => {
      const isOver = (socket: SimSocket) => socket.readyState === CLOSED || socket.process.isDead
      return !(isOver(worker) && isOver(peer))
    })
  }
}

const CLOSED = 3

function clear(): Lane {
  return { isBlocked: false, extra_ms: 0, mangled: 0 }
}
