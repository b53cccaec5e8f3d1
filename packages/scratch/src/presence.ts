import { createDecoder, readVarString, readVarUint } from 'lib0/decoding'
import { encode, writeVarString, writeVarUint } from 'lib0/encoding'
import { full, malformed } from './refusals.js'

const GONE = 'null'
/** What a client costs beside its state; its clock stays known when it is gone. */
const CLIENT_BYTES = 64

interface State {
  readonly clock: number
  /** As JSON; `GONE` when the client is. */
  readonly json: string
  /** Whose connection told it last. */
  readonly holder: object
}

export interface PresenceLimits {
  readonly presence_bytes_max: number
  readonly clients_per_room_max: number
}

/**
 * Who is there, as the clients of one scratch tell it (y-protocols' awareness). What is not newer than what is known is
 * passed over: every client repeats all that it hears. Bounded, and without a timer or a document, unlike the original.
 */
export class Presence {
  readonly #states = new Map<number, State>()
  #bytes = 0

  constructor(private readonly limits: PresenceLimits) {}

  get bytes(): number {
    return this.#bytes
  }

  /**
   * @returns what of it is new, to be told to all
   * @throws WEFT_FRAME_MALFORMED · WEFT_SCRATCH_FULL; then nothing has changed
   */
  receive(states: Uint8Array, holder: object): Uint8Array | undefined {
    const { presence_bytes_max, clients_per_room_max } = this.limits
    const told = readStates(states).filter(each => this.#isNewer(each))
    if (told.some(({ json }) => json.length > presence_bytes_max))
      throw full('the presence of a client', `${presence_bytes_max} bytes`)
    const strangers = new Set(told.map(({ client }) => client).filter(client => !this.#states.has(client)))
    if (this.#states.size + strangers.size > clients_per_room_max)
      throw full('a scratch', `${clients_per_room_max} clients`)
    for (const { client, clock, json } of told) this.#set(client, { clock, json, holder })
    return this.#write(told.map(({ client }) => client))
  }

  /** Those of whom a connection had told last are gone with it. @returns what is to be told to all */
  leave(holder: object): Uint8Array | undefined {
    const held = [...this.#states].filter(([, state]) => state.holder === holder && state.json !== GONE)
    for (const [client, state] of held) this.#set(client, { ...state, json: GONE })
    return this.#write(held.map(([client]) => client))
  }

  /** All that are there; undefined when nobody is. */
  all(): Uint8Array | undefined {
    return this.#write([...this.#states].filter(([, { json }]) => json !== GONE).map(([client]) => client))
  }

  #isNewer({ client, clock, json }: Told): boolean {
    const known = this.#states.get(client)
    if (known === undefined) return json !== GONE
    return clock > known.clock || (clock === known.clock && json === GONE && known.json !== GONE)
  }

  #set(client: number, state: State): void {
    const before = this.#states.get(client)
    this.#bytes += state.json.length - (before ? before.json.length : -CLIENT_BYTES)
    this.#states.set(client, state)
  }

  #write(clients: readonly number[]): Uint8Array | undefined {
    if (clients.length === 0) return undefined
    return encode(encoder => {
      writeVarUint(encoder, clients.length)
      for (const client of clients) {
        const { clock, json } = this.#states.get(client)!
        writeVarUint(encoder, client)
        writeVarUint(encoder, clock)
        writeVarString(encoder, json)
      }
    })
  }
}

interface Told {
  readonly client: number
  readonly clock: number
  readonly json: string
}

/** A state that is no JSON would end the process of a client that reads it. */
function readStates(states: Uint8Array): Told[] {
  const decoder = createDecoder(states)
  const told: Told[] = []
  try {
    for (let left = readVarUint(decoder); left > 0; left--) {
      const each = { client: readVarUint(decoder), clock: readVarUint(decoder), json: readVarString(decoder) }
      told.push({ ...each, json: JSON.stringify(JSON.parse(each.json)) })
    }
    if (decoder.pos !== states.length) throw new RangeError('bytes are missing or left over')
  } catch (error) {
    throw malformed((error as Error).message)
  }
  return told
}
