import { randomBytes, timingSafeEqual } from 'node:crypto'
import { isWeftError, reasonOf, type TenantId } from '@weft/core'
import type { Database } from '../base/database.js'
import { closed, codeOf, failed, keyRefused, lostKey } from '../base/failures.js'
import { TenantKeys } from '../base/keys.js'
import type { KeyFiles } from './key-files.js'
import { DATA_KEY_BYTES, type KeyService } from './key-service.js'
import { AesCipher, PLAIN, SEALED_BYTES, type ValueCipher } from './value-cipher.js'

/** The ciphers of the tenants of a store. */
export interface TenantCiphers {
  /** What a value is longer for being sealed. */
  readonly overhead_bytes: number
  /**
   * Calls `use` with the cipher of a tenant: at once where nothing is encrypted, else in the order of the calls. A tenant
   * that has nothing in the store gets a key.
   * @throws WEFT_STORE_CORRUPT (its key is lost) · WEFT_STORE_KEY · WEFT_STORE_FAILED
   */
  with<T>(tenant: TenantId, use: (cipher: ValueCipher) => T): T | Promise<T>
  /** Calls `use` behind what `with` was asked for of that tenant, whatever becomes of it. */
  behind<T>(tenant: TenantId, use: () => T): T | Promise<T>
  /** Resolves when nobody can open again what was sealed for the tenant. @throws WEFT_STORE_FAILED */
  destroy(tenant: TenantId): Promise<void>
  close(): void
}

export const PLAIN_CIPHERS: TenantCiphers = {
  overhead_bytes: 0,
  with: (_, use) => use(PLAIN),
  behind: (_, use) => use(),
  destroy: async () => {},
  close: () => {},
}

interface Known {
  readonly cipher: Promise<AesCipher>
  isLoaded: boolean
}

/** Data keys in memory, one for each tenant that was used lately; overwritten when they are destroyed and at the end. */
export class KeyRing implements TenantCiphers {
  readonly overhead_bytes = SEALED_BYTES
  readonly #known = new Map<TenantId, Known>()
  #isClosed = false

  constructor(
    private readonly directory: string,
    private readonly files: KeyFiles,
    private readonly service: KeyService,
    private readonly db: Database,
    /** So many keys are held at most, but for those that are being asked for. */
    private readonly keys_max: number,
  ) {}

  with<T>(tenant: TenantId, use: (cipher: ValueCipher) => T): Promise<T> {
    return this.#of(tenant).then(use)
  }

  behind<T>(tenant: TenantId, use: () => T): Promise<T> {
    return (this.#known.get(tenant)?.cipher ?? Promise.resolve()).then(use, use)
  }

  async destroy(tenant: TenantId): Promise<void> {
    this.#forget(tenant)
    try {
      await this.files.destroy(tenant)
    } catch (thrown) {
      throw failed(this.directory, `the key of tenant ${tenant} cannot be destroyed`, thrown)
    }
  }

  close(): void {
    this.#isClosed = true
    for (const tenant of [...this.#known.keys()]) this.#forget(tenant)
  }

  #of(tenant: TenantId): Promise<AesCipher> {
    if (this.#isClosed) return Promise.reject(closed('the keys of the store are put away', 'open it again'))
    let known = this.#known.get(tenant)
    if (known === undefined) {
      const cipher = this.#load(tenant)
      const loading: Known = { cipher, isLoaded: false }
      known = loading
      cipher.then(
        () => {
          loading.isLoaded = true
          this.#bound()
        },
        // Whoever asks next tries anew.
        () => this.#known.get(tenant) === loading && this.#known.delete(tenant),
      )
    } else {
      this.#known.delete(tenant)
    }
    this.#known.set(tenant, known)
    return known.cipher
  }

  /** Lets go of those that were not used for longest. A write that waits may still hold one, so its key stays whole. */
  #bound(): void {
    for (const [tenant, { isLoaded }] of this.#known) {
      if (this.#known.size <= this.keys_max) return
      if (isLoaded) this.#known.delete(tenant)
    }
  }

  #forget(tenant: TenantId): void {
    const known = this.#known.get(tenant)
    this.#known.delete(tenant)
    known?.cipher.then(
      cipher => cipher.destroy(),
      () => {},
    )
  }

  async #load(tenant: TenantId): Promise<AesCipher> {
    let wrapped: Uint8Array | undefined
    try {
      wrapped = await this.files.read(tenant)
    } catch (thrown) {
      // What the system refuses is no damage.
      if (codeOf(thrown)) throw failed(this.directory, `the key of tenant ${tenant} cannot be read`, thrown)
      throw lostKey(this.directory, tenant, reasonOf(thrown), thrown)
    }
    if (wrapped === undefined) return this.#make(tenant)
    return new AesCipher(await unwrapKey(this.directory, this.service, wrapped, tenant))
  }

  /** A key that is made in place of one that was lost would hide the loss, and be in the way when that is put back. */
  async #make(tenant: TenantId): Promise<AesCipher> {
    const [row] = await this.db.keys({ ...new TenantKeys(tenant).all, limit: 1 }).all()
    if (row !== undefined) throw lostKey(this.directory, tenant, 'its file in the directory keys is missing')
    return new AesCipher(await makeKey(this.directory, this.files, this.service, tenant))
  }
}

/** @returns a new data key, when it is on disk as its wrapped self @throws WEFT_STORE_KEY · WEFT_STORE_FAILED */
export async function makeKey(
  directory: string,
  files: KeyFiles,
  service: KeyService,
  context: string,
): Promise<Uint8Array> {
  const dataKey = randomBytes(DATA_KEY_BYTES)
  await storeKey(directory, files, service, context, dataKey)
  return dataKey
}

/** @throws WEFT_STORE_KEY · WEFT_STORE_FAILED */
export async function storeKey(
  directory: string,
  files: KeyFiles,
  service: KeyService,
  context: string,
  dataKey: Uint8Array,
): Promise<void> {
  const wrapped = await asked(directory, context, () => service.wrap(Uint8Array.from(dataKey), context))
  if (!(wrapped instanceof Uint8Array)) throw serviceFailed(directory, context, 'it gave no bytes')
  // What does not come back now never would.
  const again = await unwrapKey(directory, service, wrapped, context)
  if (!timingSafeEqual(again, dataKey)) {
    throw serviceFailed(directory, context, 'it gave back another key than it was given')
  }
  again.fill(0)
  try {
    await files.write(context, wrapped)
  } catch (thrown) {
    throw failed(directory, `the key of ${context} cannot be written`, thrown)
  }
}

/** @throws WEFT_STORE_KEY */
export async function unwrapKey(
  directory: string,
  service: KeyService,
  wrapped: Uint8Array,
  context: string,
): Promise<Uint8Array> {
  const dataKey = await asked(directory, context, () => service.unwrap(wrapped, context))
  if (dataKey.length === DATA_KEY_BYTES) return dataKey
  throw serviceFailed(directory, context, `it gave a key of ${dataKey.length} bytes, not ${DATA_KEY_BYTES}`)
}

/** Whatever a service fails with, and however, reaches the caller as one code. */
async function asked<T>(directory: string, context: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (thrown) {
    throw serviceFailed(directory, context, thrown)
  }
}

function serviceFailed(directory: string, context: string, thrown: unknown) {
  const cure = isWeftError(thrown)
    ? thrown.cure
    : 'see that the key service answers, and that the key is one of its own'
  return keyRefused(directory, `the key of ${context} cannot be had`, cure, thrown)
}
