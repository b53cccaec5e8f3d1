import { createHash } from 'node:crypto'

/** A running SHA-256 over all that happens: two runs that differ anywhere differ here. */
export class Trace {
  readonly #hash = createHash('sha256')
  readonly #lines: string[] | undefined
  /** What is not hashed yet: a hash costs more to call than to feed. */
  readonly #pending = Buffer.allocUnsafe(PENDING_BYTES)
  #length = 0

  /** @param keep whether the lines are kept too, to be read by people */
  constructor(keep = false) {
    if (keep) this.#lines = []
  }

  get lines(): readonly string[] {
    return this.#lines ?? []
  }

  note(at_ms: number, label: string): void {
    this.#makeRoom(MOMENT_BYTES)
    this.#length = this.#pending.writeDoubleLE(at_ms, this.#length)
    // What an error says may be of any length.
    if (label.length > LABEL_CHARS_MAX) this.bytes(Buffer.from(label))
    else {
      this.#makeRoom(label.length * UTF8_BYTES_MAX)
      this.#length += this.#pending.write(label, this.#length)
    }
    this.#lines?.push(`${at_ms.toFixed(3).padStart(12)}  ${label}`)
  }

  bytes(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length)
    if (bytes.length > PENDING_BYTES) {
      this.#hash.update(bytes)
      return
    }
    this.#pending.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** Of all until now. */
  digest(): string {
    this.#flush()
    return this.#hash.copy().digest('hex')
  }

  #makeRoom(bytes: number): void {
    if (this.#length + bytes > PENDING_BYTES) this.#flush()
  }

  #flush(): void {
    this.#hash.update(this.#pending.subarray(0, this.#length))
    this.#length = 0
  }
}

const PENDING_BYTES = 65_536
const MOMENT_BYTES = 8
const UTF8_BYTES_MAX = 3
const LABEL_CHARS_MAX = PENDING_BYTES / UTF8_BYTES_MAX
