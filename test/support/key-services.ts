import { readKeyFile, type KeyService } from '@weft/store-level'

/** Stands between a store and its key service: counts, holds back, and fails for the contexts that it is told. */
export class WatchedKeys implements KeyService {
  readonly unwrapped: string[] = []
  /** Every key that was handed out, as the store holds it. */
  readonly handedOut: Uint8Array[] = []
  /** Contexts for which nobody answers. */
  readonly down = new Set<string>()
  #held: Promise<void> | undefined

  constructor(private readonly inner: KeyService) {}

  static async of(path: string): Promise<WatchedKeys> {
    return new WatchedKeys(await readKeyFile(path))
  }

  /** Keeps every question for a context waiting until the returned function is called. */
  hold(): () => void {
    let release = () => {}
    this.#held = new Promise(resolve => {
      release = () => {
        this.#held = undefined
        resolve()
      }
    })
    return release
  }

  async wrap(dataKey: Uint8Array, context: string): Promise<Uint8Array> {
    await this.#answers(context)
    return this.inner.wrap(dataKey, context)
  }

  async unwrap(wrapped: Uint8Array, context: string): Promise<Uint8Array> {
    await this.#answers(context)
    this.unwrapped.push(context)
    const dataKey = await this.inner.unwrap(wrapped, context)
    this.handedOut.push(dataKey)
    return dataKey
  }

  async #answers(context: string): Promise<void> {
    await this.#held
    if (this.down.has(context)) throw new Error('the key service is down')
  }
}
