import { EventEmitter } from 'node:events'
import { type Transport, TRANSPORT_OPEN } from '@weft/core'
import type { Parcel, Way } from './parcel.js'
import type { SimProcess } from './process.js'

const CONNECTING = 0
const CLOSING = 2
const CLOSED = 3
/** What a socket says when the other side vanished. */
const ABNORMAL = 1006
const CLOSE_TIMEOUT_MS = 3_000

/** One end of a simulated connection, as a process sees it. */
export class SimSocket extends EventEmitter implements Transport {
  #state = CONNECTING
  #isPaused = false
  readonly #unread: Parcel[] = []
  /** Undefined until the connection is there. */
  #pipe: Way | undefined

  constructor(readonly process: SimProcess) {
    super()
  }

  /** The way to the other end. */
  set pipe(pipe: Way) {
    this.#pipe = pipe
  }

  get pipe(): Way {
    return this.#pipe!
  }

  get readyState(): number {
    return this.#state
  }

  get bufferedAmount(): number {
    return this.pipe.bufferedBytes
  }

  /** The server's end is open from the beginning. */
  opened(): void {
    this.#state = TRANSPORT_OPEN
  }

  send(frame: Uint8Array, sent?: () => void): void {
    if (this.#state !== TRANSPORT_OPEN) throw new Error('the socket is not open')
    // The sender may reuse its bytes.
    this.pipe.send({ kind: 'frame', bytes: new Uint8Array(frame), sent, from: this.process })
  }

  ping(): void {
    if (this.#state === TRANSPORT_OPEN) this.pipe.send({ kind: 'ping' })
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    for (const parcel of this.#unread.splice(0)) this.#open(parcel)
  }

  close(code: number, reason = ''): void {
    if (this.#state >= CLOSING) return
    if (this.#pipe === undefined) {
      this.terminate()
      return
    }
    this.#state = CLOSING
    this.#pipe.send({ kind: 'close', code, reason })
    this.process.clock.after(CLOSE_TIMEOUT_MS, () => this.terminate())
  }

  terminate(): void {
    if (this.#state === CLOSED) return
    this.#pipe?.send({ kind: 'reset' })
    this.#state = CLOSED
    this.process.clock.after(0, () => this.emit('close', ABNORMAL, ''))
  }

  /** No connection could be had. */
  failed(reason: string): void {
    if (this.#state === CLOSED) return
    this.emit('error', new Error(reason))
    this.#end(ABNORMAL, '')
  }

  receive(parcel: Parcel): void {
    if (this.#state === CLOSED) return
    if (this.#isPaused && parcel.kind !== 'reset') this.#unread.push(parcel)
    else this.#open(parcel)
  }

  #open(parcel: Parcel): void {
    switch (parcel.kind) {
      case 'frame':
        if (this.#state !== CLOSED) this.emit('message', parcel.bytes, true)
        return
      case 'open':
        this.#state = TRANSPORT_OPEN
        this.emit('open')
        return
      case 'ping':
        if (this.#state === TRANSPORT_OPEN) this.pipe.send({ kind: 'pong' })
        this.emit('ping')
        return
      case 'pong':
        this.emit('pong')
        return
      case 'close':
        if (this.#state === CLOSED) return
        this.pipe.send({ ...parcel, kind: 'closed' })
        this.#end(parcel.code, parcel.reason)
        return
      case 'closed':
        this.#end(parcel.code, parcel.reason)
        return
      case 'reset':
        this.#end(ABNORMAL, '')
    }
  }

  #end(code: number, reason: string): void {
    if (this.#state === CLOSED) return
    this.#state = CLOSED
    this.emit('close', code, reason)
  }
}
