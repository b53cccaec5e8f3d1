import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/** What stands between a value and the disk. One for each tenant. */
export interface ValueCipher {
  /** @param clear so many bytes at the beginning stay as they are @returns what is to lie under `key` */
  seal(key: string, plain: Uint8Array, clear?: number): Uint8Array
  /** @throws Error that says what is damaged */
  open(key: string, value: Uint8Array, clear?: number): Uint8Array
}

/** Of a store that is not encrypted: values lie as they are. */
export const PLAIN: ValueCipher = { seal: (_, plain) => plain, open: (_, value) => value }

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** By so much a value is longer. */
export const SEALED_BYTES = NONCE_BYTES + TAG_BYTES
/** A shorter tag could be guessed. */
const WHOLE_TAG = { authTagLength: TAG_BYTES }

/**
 * AES-256-GCM. A value is what stays clear, then the nonce (12 bytes), the ciphertext, the tag (16 bytes). The key that it
 * lies under is authenticated with it, so that it opens nowhere else.
 *
 * Nonces count up from a random one that is drawn each time the key is loaded, as SP 800-38D allows: so they never repeat
 * while a process runs, and a crash needs nothing on disk to count on from. Of L loadings that seal N values in all, two
 * share a nonce with a probability below L · N / 2^95: for a million loadings and 2^40 values that is 2^-35.
 */
export class AesCipher implements ValueCipher {
  readonly #nonce = randomBytes(NONCE_BYTES)
  #isDestroyed = false

  /** @param dataKey 32 bytes, which are this object's own from now on */
  constructor(private readonly dataKey: Uint8Array) {}

  seal(key: string, plain: Uint8Array, clear = 0): Uint8Array {
    this.#check()
    const cipher = createCipheriv(ALGORITHM, this.dataKey, this.#nextNonce())
    cipher.setAAD(Buffer.from(key))
    const body = cipher.update(plain.subarray(clear))
    cipher.final()
    return Buffer.concat([plain.subarray(0, clear), this.#nonce, body, cipher.getAuthTag()])
  }

  open(key: string, value: Uint8Array, clear = 0): Uint8Array {
    this.#check()
    const from = clear + NONCE_BYTES
    const to = value.length - TAG_BYTES
    if (to < from) throw new RangeError(`an encrypted value has ${value.length} bytes, which are too few`)
    const decipher = createDecipheriv(ALGORITHM, this.dataKey, value.subarray(clear, from), WHOLE_TAG)
    decipher.setAAD(Buffer.from(key))
    decipher.setAuthTag(value.subarray(to))
    const body = decipher.update(value.subarray(from, to))
    try {
      decipher.final()
    } catch (cause) {
      throw new Error('it cannot be decrypted: it, its key or its place is not what was written', { cause })
    }
    return clear === 0 ? body : Buffer.concat([value.subarray(0, clear), body])
  }

  /** Nothing can be sealed or opened with it any more. */
  destroy(): void {
    this.#isDestroyed = true
    this.dataKey.fill(0)
  }

  /** The key is zeros then, which would encrypt like any other. */
  #check(): void {
    if (this.#isDestroyed) throw new Error('the key was destroyed')
  }

  #nextNonce(): Uint8Array {
    const nonce = this.#nonce
    for (let at = nonce.length - 1; at >= 0; at--) {
      nonce[at] = (nonce[at]! + 1) & 0xff
      if (nonce[at] !== 0) break
    }
    return nonce
  }
}
