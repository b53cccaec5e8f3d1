import { type Change, isWeftError, unpackIds } from '@weft/core'
import { decodeMessage, type Message } from '@weft/protocol'
import { readToken } from './credentials.js'
import type { Decoder } from './decoder.js'
import type { Tap } from './network.js'
import { type Observation, type Place, placeOf } from './observation.js'
import type { SimProcess } from './process.js'

const ID_BYTES = 32

/** Reads along: what workers offer, what they are sent, what they are told is committed. */
export class Wiretap implements Tap {
  /** Which workflow a channel of a process stands for; a session never uses one again. */
  readonly #channels = new WeakMap<SimProcess, Map<number, string>>()

  /** What a process has connected with last. */
  readonly #tokens = new WeakMap<SimProcess, ReturnType<typeof readToken>>()

  constructor(
    private readonly tenantOf: (worker: SimProcess) => string,
    private readonly decoder: Decoder,
    private readonly now_ms: () => number,
    private readonly see: (observation: Observation) => void,
  ) {}

  sent(worker: SimProcess, frame: Uint8Array): void {
    const message = decodeMessage(frame)
    if (message.name === 'hello') this.#tokens.set(worker, readToken(message.token))
    else if (message.name === 'open') this.#channelsOf(worker).set(message.channel, message.workflow)
    else if (message.name === 'push')
      for (const bytes of message.changes) this.#offered(worker, message, bytes)
    else if (message.name === 'propose') this.#proposed(worker, message)
  }

  answered(worker: SimProcess, frame: Uint8Array, peer: SimProcess): void {
    const token = this.#tokens.get(worker)
    // Why a connection ends is said to whoever it ends for.
    if (token === undefined || decodeMessage(frame).name === 'fail') return
    const now_ms = this.now_ms()
    this.see({ saw: 'answered', process: worker.name, token, peer_ms: peer.clock.now(), now_ms })
  }

  arrived(worker: SimProcess, frame: Uint8Array): void {
    const message = decodeMessage(frame)
    if (message.name === 'log') this.#log(worker, message)
    if (message.name !== 'ack') return
    const at = this.#place(worker, message.channel)
    for (const [index, id] of unpackIds(message.ids).entries())
      this.see({ saw: 'acked', at, process: worker.name, id, position: message.positions[index]! })
  }

  #proposed(worker: SimProcess, message: Message & { name: 'propose' }): void {
    const { channel, change, branches, heads, unmoved } = message
    const { id } = this.#offered(worker, { channel }, change)
    const pinned = branches.map((branch, index) => ({ branch, ids: unpackIds(heads[index]!) }))
    const preconditions = { heads: pinned, unmoved }
    this.see({ saw: 'proposed', at: this.#place(worker, channel), id, preconditions })
  }

  #offered(worker: SimProcess, { channel }: { channel: number }, bytes: Uint8Array): Change {
    const change = this.decoder.decode(bytes)
    this.see({ saw: 'offered', at: this.#place(worker, channel), process: worker.name, change })
    return change
  }

  #log(worker: SimProcess, { channel, from, items }: Message & { name: 'log' }): void {
    const at = this.#place(worker, channel)
    for (const [index, item] of items.entries()) {
      const position = from + index
      if (item.length === ID_BYTES) {
        const [id] = unpackIds(item)
        this.see({ saw: 'acked', at, process: worker.name, id: id!, position })
        continue
      }
      const change = this.#decoded(item)
      if (change === undefined) {
        this.see({ saw: 'garbled', at, process: worker.name, position })
        continue
      }
      this.see({ saw: 'served', at, process: worker.name, change })
      this.see({ saw: 'acked', at, process: worker.name, id: change.id, position })
    }
  }

  /** Undefined for what is no change. */
  #decoded(bytes: Uint8Array): Change | undefined {
    try {
      return this.decoder.decode(bytes)
    } catch (error) {
      if (isWeftError(error)) return undefined
      throw error
    }
  }

  #place(worker: SimProcess, channel: number): Place {
    const workflow = this.#channelsOf(worker).get(channel) ?? `channel ${channel}`
    return placeOf(this.tenantOf(worker), workflow)
  }

  #channelsOf(worker: SimProcess): Map<number, string> {
    let channels = this.#channels.get(worker)
    if (channels === undefined) {
      channels = new Map()
      this.#channels.set(worker, channels)
    }
    return channels
  }
}
