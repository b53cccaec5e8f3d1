import { type Clock, isWeftError, reasonOf, type WeftError } from '@weft/core'
import { adviceOf, CLOSE_CODES, closeCodeOf, Heartbeat } from '@weft/protocol'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { ScratchLimits } from './limits.js'
import { readMessage } from './messages.js'
import { ended, malformed } from './refusals.js'
import type { Member, Room } from './room.js'

/** What a credential allows on one scratch of one workflow. */
export interface Admission {
  readonly tenant: string
  readonly mayWrite: boolean
  /** Calls back when the credential allows nothing any more; the returned function lets go of it. */
  readonly hold: (end: (error: WeftError) => void) => () => void
}

export interface ConnectionHost {
  readonly limits: ScratchLimits
  readonly clock: Clock
  /** A connection was ended from here, and why. */
  readonly failed: (error: WeftError) => void
  /** The room cannot go on. */
  readonly broken: (error: WeftError) => void
  /** The member is gone; `done` when an owner has ended its scratch. */
  readonly departed: (done: boolean) => void
}

/** One socket of a client, from its admission on: what it says goes to its room, and what the room says to it. */
export class RelayConnection implements Member {
  #room: Room | undefined
  #over = false
  #gathering = false
  #answered_ms = Number.NEGATIVE_INFINITY
  #heartbeat: Heartbeat | undefined
  #letGo: () => void = () => {}

  /** @param socket paused; it is read once the member is admitted */
  constructor(
    private readonly socket: WebSocket,
    /** What the socket writes to. */
    private readonly wire: Duplex,
    private readonly admission: Admission,
    readonly owns: boolean,
    private readonly host: ConnectionHost,
  ) {
    socket.on('message', (data, binary) => this.#receive(data as Buffer, binary))
    socket.on('close', code => this.#gone(code === CLOSE_CODES.normal))
  }

  get mayWrite(): boolean {
    return this.admission.mayWrite
  }

  admitted(room: Room): void {
    this.#room = room
    this.socket.resume()
    this.#heartbeat = new Heartbeat(this.socket, {
      clock: this.host.clock,
      ping_ms: this.host.limits.ping_ms,
    })
  }

  send(frame: Uint8Array): void {
    const { socket, host } = this
    if (this.#over || socket.readyState !== socket.OPEN) return
    this.#gather()
    socket.send(frame)
    if (socket.bufferedAmount > host.limits.buffered_bytes_max) socket.terminate()
  }

  /** What is sent in one turn is written at once: a token costs little more than what it takes to write it. */
  #gather(): void {
    if (this.#gathering) return
    this.#gathering = true
    this.wire.cork()
    process.nextTick(() => {
      this.#gathering = false
      this.wire.uncork()
    })
  }

  close(error: WeftError): void {
    if (this.#over) return
    const code = closeCodeOf(error.code)
    this.host.failed(error)
    this.#gone(adviceOf(code) === 'give-up')
    this.socket.close(code, error.code)
    // The other side's half of the closing handshake is yet to be read.
    this.socket.resume()
  }

  /** The connection ends with what its credential allows (TEN-5). */
  hold(): void {
    if (!this.#over) this.#letGo = this.admission.hold(error => this.close(error))
  }

  #receive(data: Buffer, binary: boolean): void {
    if (this.#over || this.#room === undefined) return
    try {
      if (!binary) throw malformed('it is text')
      const message = readMessage(data)
      if (message.is !== 'question' || this.#mayAsk()) this.#room.receive(message, this)
    } catch (error) {
      if (isWeftError(error)) this.close(error)
      else this.host.broken(ended(`its document cannot be merged (${reasonOf(error)})`))
    }
  }

  /** An answer costs as much as there is in the room, a question nothing: who asks too often gets none. */
  #mayAsk(): boolean {
    const now = this.host.clock.now()
    if (now - this.#answered_ms < this.host.limits.resync_ms_min) return false
    this.#answered_ms = now
    return true
  }

  #gone(done: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#heartbeat?.stop()
    this.#letGo()
    this.host.departed(done)
  }
}
