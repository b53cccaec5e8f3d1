import { type Change, isWeftError, unpackIds } from '@weft/core'
import { decodeMessage, type Message, messageNameOf } from '@weft/protocol'
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
  /** When each of those expires, by the peer's clock that nobody sets as it was at the first answer. */
  readonly #due = new WeakMap<ReturnType<typeof readToken>, number>()

  constructor(
    private readonly tenantOf: (worker: SimProcess) => string,
    private readonly decoder: Decoder,
    private readonly now_ms: () => number,
    private readonly see: (observation: Observation) => void,
  ) {}

  sent(worker: SimProcess, frame: Uint8Array): void {
    const message = decodeMessage(frame)
    if (message.name === 'hello') this.#greeted(worker, message.token)
    else if (message.name === 'open') this.#channelsOf(worker).set(message.channel, message.workflow)
    else if (message.name === 'push')
      for (const bytes of message.changes) this.#offered(worker, message, bytes)
    else if (message.name === 'propose') this.#proposed(worker, message)
  }

  answered(worker: SimProcess, frame: Uint8Array, peer: SimProcess): void {
    const token = this.#tokens.get(worker)
    if (token === undefined) return
    // Why something ends is said to whoever it ends for.
    if (messageNameOf(frame) === 'fail') {
      const { channel, code } = decodeMessage(frame) as Message & { name: 'fail' }
      if (channel === null) this.see({ saw: 'ended', tenant: token.tenant, process: worker.name, code })
      return
    }
    const { clock } = peer
    let due_ms = this.#due.get(token)
    if (due_ms === undefined) {
      due_ms = clock.steady() + token.expires_ms - clock.now()
      this.#due.set(token, due_ms)
    }
    // A clock that was set since shows when it expires, and not for how long nobody could tell.
    const peer_ms = Math.min(clock.now(), token.expires_ms + clock.steady() - due_ms)
    this.see({ saw: 'answered', process: worker.name, token, peer_ms, now_ms: this.now_ms() })
  }

  arrived(worker: SimProcess, frame: Uint8Array): void {
    const name = messageNameOf(frame)
    if (name !== 'log' && name !== 'ack') return
    const message = decodeMessage(frame)
    if (message.name === 'log') this.#log(worker, message)
    else if (message.name === 'ack') this.#acked(worker, message)
  }

  #acked(worker: SimProcess, { channel, ids, positions }: Message & { name: 'ack' }): void {
    const at = this.#place(worker, channel)
    for (const [index, id] of unpackIds(ids).entries())
      this.see({ saw: 'acked', at, process: worker.name, id, position: positions[index]! })
  }

  #greeted(worker: SimProcess, text: string): void {
    const token = readToken(text)
    this.#tokens.set(worker, token)
    this.see({ saw: 'connecting', tenant: token.tenant, process: worker.name })
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
