import { EventEmitter } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Transport } from '@weft/core'
import { decodeMessage, encodeMessage, type Message, type MessageName } from '@weft/protocol'

type Named<Name extends MessageName> = Extract<Message, { readonly name: Name }>

/** Whoever has no answer by then is muted. */
const ANSWER_MS = 60_000

/** A socket without a network: what one side hands over, the other has at once. The attacker's end of it. */
export class Line extends EventEmitter implements Transport {
  readyState = 1
  readonly bufferedAmount = 0
  readonly inbox: Message[] = []
  /** The code that the other side closed it with. */
  closedWith: number | undefined
  #wake: () => void = () => {}

  send(frame: Uint8Array, sent?: () => void): void {
    this.inbox.push(decodeMessage(Uint8Array.from(frame)))
    this.#wake()
    if (sent) queueMicrotask(sent)
  }

  close(code: number): void {
    this.closedWith = code
    this.#end()
  }

  terminate(): void {
    this.#end()
  }

  pause(): void {}
  resume(): void {}
  ping(): void {
    queueMicrotask(() => this.emit('pong'))
  }

  get isOpen(): boolean {
    return this.readyState === 1
  }

  /** Hands a frame to the peer, which looks at it in its next turn. */
  give(frame: Uint8Array): void {
    this.emit('message', frame, true)
  }

  say(message: Message): void {
    this.give(encodeMessage(message))
  }

  hangUp(): void {
    if (this.isOpen) this.#end()
  }

  /** Takes the next message of a name out of the inbox. @throws when the line ends, or nothing comes */
  async next<Name extends MessageName>(name: Name): Promise<Named<Name>> {
    await this.nextName([name])
    const at = this.inbox.findIndex(message => message.name === name)
    return this.inbox.splice(at, 1)[0] as Named<Name>
  }

  /** Waits for a message of one of these names, and leaves it. */
  async nextName<Name extends MessageName>(names: readonly Name[]): Promise<Name> {
    const end = performance.now() + ANSWER_MS
    for (;;) {
      const message = this.inbox.find(({ name }) => names.includes(name as Name))
      if (message !== undefined) return message.name as Name
      if (!this.isOpen) throw new Error(`the line ended before ${names.join(' or ')} came`)
      if (performance.now() > end) throw new Error(`no ${names.join(' or ')} within ${ANSWER_MS} ms`)
      await this.#news(end - performance.now())
    }
  }

  #news(wait_ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, Math.max(1, wait_ms))
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #end(): void {
    this.readyState = 3
    this.#wake()
    queueMicrotask(() => this.emit('close', this.closedWith ?? 1006, ''))
  }
}

/** Lets what was begun go on. */
export const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await nextTurn()
}
