import { unpackIds } from '@weft/core'
import { decodeMessage, type Message } from '@weft/protocol'
import type { Decoder } from './decoder.js'
import type { Tap } from './network.js'
import { type Observation, type Place, placeOf } from './observation.js'
import type { SimProcess } from './process.js'

const ID_BYTES = 32

/** Reads along: what workers offer, what they are sent, what they are told is committed. */
export class Wiretap implements Tap {
  /** Which workflow a channel of a process stands for; a session never uses one again. */
  readonly #channels = new WeakMap<SimProcess, Map<number, string>>()

  constructor(
    private readonly tenantOf: (worker: SimProcess) => string,
    private readonly decoder: Decoder,
    private readonly see: (observation: Observation) => void,
  ) {}

  sent(worker: SimProcess, frame: Uint8Array): void {
    const message = decodeMessage(frame)
    if (message.name === 'open') this.#channelsOf(worker).set(message.channel, message.workflow)
    else if (message.name === 'push')
      for (const bytes of message.changes) this.#offered(worker, message, bytes)
    else if (message.name === 'propose') this.#offered(worker, message, message.change)
  }

  arrived(worker: SimProcess, frame: Uint8Array): void {
    const message = decodeMessage(frame)
    if (message.name === 'log') this.#log(worker, message)
    if (message.name !== 'ack') return
    const at = this.#place(worker, message.channel)
    for (const [index, id] of unpackIds(message.ids).entries())
      this.see({ saw: 'acked', at, process: worker.name, id, position: message.positions[index]! })
  }

  #offered(worker: SimProcess, { channel }: { channel: number }, bytes: Uint8Array): void {
    const change = this.decoder.decode(bytes)
    this.see({ saw: 'offered', at: this.#place(worker, channel), process: worker.name, change })
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
      const change = this.decoder.decode(item)
      this.see({ saw: 'served', at, process: worker.name, change })
      this.see({ saw: 'acked', at, process: worker.name, id: change.id, position })
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
