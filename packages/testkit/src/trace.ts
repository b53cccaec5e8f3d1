import { createHash } from 'node:crypto'

/** A running SHA-256 over all that happens: two runs that differ anywhere differ here. */
export class Trace {
  readonly #hash = createHash('sha256')
  readonly #lines: string[] | undefined
  #pending = ''

  /** @param keep whether the lines are kept too, to be read by people */
  constructor(keep = false) {
    if (keep) this.#lines = []
  }

  get lines(): readonly string[] {
    return this.#lines ?? []
  }

  note(at_ms: number, label: string): void {
    this.#pending += `${at_ms} ${label}\n`
    if (this.#pending.length > FLUSH_CHARS) this.#flush()
    this.#lines?.push(`${at_ms.toFixed(3).padStart(12)}  ${label}`)
  }

  bytes(bytes: Uint8Array): void {
    this.#flush()
    this.#hash.update(bytes)
  }

  /** Of all until now. */
  digest(): string {
    this.#flush()
    return this.#hash.copy().digest('hex')
  }

  #flush(): void {
    this.#hash.update(this.#pending)
    this.#pending = ''
  }
}

const FLUSH_CHARS = 4_096
