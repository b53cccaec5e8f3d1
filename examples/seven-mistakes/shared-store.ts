import type { VirtualTime } from './virtual-time.js'

export interface StoreOptions {
  /** From a client to the store, and back again. */
  readonly latency_ms?: number
  /** How long a write takes at the store before anybody sees it. */
  readonly write_ms?: number
  /** How far read replicas are behind the primary. */
  readonly lag_ms?: number
}

type Value = string | readonly string[]
interface Item {
  readonly value: Value
  readonly expires_ms: number
}
type Keyspace = Map<string, Item>

/** One server of the store, as a client library shows it: commands named as Redis names them. */
export interface StoreClient {
  get(key: string): Promise<string | undefined>
  set(key: string, value: string, options?: { readonly ex_s?: number }): Promise<void>
  rpush(key: string, ...values: readonly string[]): Promise<void>
  lpop(key: string): Promise<string | undefined>
  lrange(key: string): Promise<readonly string[]>
  expire(key: string, seconds: number): Promise<void>
  /** Seconds that a key has left; undefined when it is not there. */
  ttl(key: string): Promise<number | undefined>
}

/**
 * The shared store that agents are usually built on: strings and lists under flat keys, expiry, a primary, and read
 * replicas behind it. It does all that it promises; none of the seven mistakes is a fault of it.
 */
export class SharedStore {
  readonly primary: StoreClient
  /** Refuses nothing: a write to it would go to the primary, as drivers see to. */
  readonly replica: Pick<StoreClient, 'get' | 'lrange' | 'ttl'>

  constructor(time: VirtualTime, { latency_ms = 1, write_ms = 0, lag_ms = 100 }: StoreOptions = {}) {
    const follower: Keyspace = new Map()
    const behind = async (key: string, item: Item | undefined): Promise<void> => {
      await time.sleep(lag_ms)
      put(follower, key, item)
    }
    const times = { latency_ms, write_ms }
    this.primary = new Client(time, times, new Map(), (key, item) => void behind(key, item))
    this.replica = new Client(time, times, follower, () => {})
  }
}

class Client implements StoreClient {
  constructor(
    private readonly time: VirtualTime,
    private readonly times: { readonly latency_ms: number; readonly write_ms: number },
    private readonly keys: Keyspace,
    private readonly wrote: (key: string, item: Item | undefined) => void,
  ) {}

  get(key: string): Promise<string | undefined> {
    return this.#read(() => text(this.#find(key)?.value))
  }

  set(key: string, value: string, { ex_s = Number.POSITIVE_INFINITY } = {}): Promise<void> {
    return this.#write(() => this.#put(key, { value, expires_ms: this.time.now_ms + ex_s * 1_000 }))
  }

  rpush(key: string, ...values: readonly string[]): Promise<void> {
    return this.#write(() => {
      const item = this.#find(key)
      const expires_ms = item?.expires_ms ?? Number.POSITIVE_INFINITY
      this.#put(key, { value: [...list(item?.value), ...values], expires_ms })
    })
  }

  lpop(key: string): Promise<string | undefined> {
    return this.#write(() => {
      const item = this.#find(key)
      const [first, ...rest] = list(item?.value)
      this.#put(key, item && rest.length > 0 ? { ...item, value: rest } : undefined)
      return first
    })
  }

  lrange(key: string): Promise<readonly string[]> {
    return this.#read(() => list(this.#find(key)?.value))
  }

  expire(key: string, seconds: number): Promise<void> {
    return this.#write(() => {
      const item = this.#find(key)
      if (item) this.#put(key, { ...item, expires_ms: this.time.now_ms + seconds * 1_000 })
    })
  }

  ttl(key: string): Promise<number | undefined> {
    return this.#read(() => {
      const item = this.#find(key)
      return item && (item.expires_ms - this.time.now_ms) / 1_000
    })
  }

  #read<T>(command: () => T): Promise<T> {
    return this.#send(command, 0)
  }

  #write<T>(command: () => T): Promise<T> {
    return this.#send(command, this.times.write_ms)
  }

  /** A command takes effect when it has arrived and been carried out, and its caller hears of that later still. */
  async #send<T>(command: () => T, work_ms: number): Promise<T> {
    const { latency_ms } = this.times
    await this.time.sleep(latency_ms + work_ms)
    const result = command()
    await this.time.sleep(latency_ms)
    return result
  }

  #find(key: string): Item | undefined {
    const item = this.keys.get(key)
    return item && item.expires_ms > this.time.now_ms ? item : undefined
  }

  #put(key: string, item: Item | undefined): void {
    put(this.keys, key, item)
    this.wrote(key, item)
  }
}

function put(keys: Keyspace, key: string, item: Item | undefined): void {
  if (item === undefined) keys.delete(key)
  else keys.set(key, item)
}

function text(value: Value | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function list(value: Value | undefined): readonly string[] {
  return Array.isArray(value) ? value : []
}
