import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../base/directory.js'
import { decodeStoreSeal, encodeStoreSeal, type StoreSeal } from './store-seal.js'

/*
 * The seal of the store once more, in a file beside those of LevelDB: what takes LevelDB back to an earlier state takes
 * the seal in it back, too. Two slots, a disk block apart, are written in turn, so that one is whole whatever happens to
 * the other. Each holds the length of its seal (2 bytes, big endian), then the seal as under `SEAL_FILE` as its key.
 */

export const SEAL_FILE = 'weft.seal'
const SLOT_BYTES = 4_096
const SLOTS = 2
/** A power cut makes the file forget this many commits at most, and as a rule what the system had not written yet. */
const WRITES_PER_SYNC = 64

/**
 * Follows the commits of an open store. It is written behind them, without anybody waiting: it may lag when a process is
 * killed and is never ahead, so a store that is behind its file has lost something.
 */
export class SealFile {
  #latest: StoreSeal | undefined
  #running: Promise<void> | undefined
  #writes: number

  private constructor(
    private readonly handle: FileHandle,
    writes: number,
    private readonly onFailure: (cause: unknown) => void,
  ) {
    this.#writes = writes
  }

  /**
   * @param begins what a file is to say that is missing, or says nothing: it is made, durably, before anything is committed.
   *   A power cut may take away all that was written since, and has to leave a file that is whole.
   */
  static async open(
    directory: string,
    begins: StoreSeal | undefined,
    onFailure: (cause: unknown) => void,
  ): Promise<SealFile> {
    const path = join(directory, SEAL_FILE)
    if (begins === undefined) return new SealFile(await open(path, 'r+'), 0, onFailure)
    const made = await open(path, 'w+')
    try {
      await made.write(Buffer.alloc(SLOTS * SLOT_BYTES), 0)
      await made.write(slotOf(begins), 0, undefined, 0)
      await made.sync()
      await syncDirectory(directory)
      return new SealFile(made, 1, onFailure)
    } catch (thrown) {
      await made.close()
      throw thrown
    }
  }

  /** The seal was committed. */
  note(seal: StoreSeal): void {
    this.#latest = seal
    this.#running ??= this.#run()
  }

  /** Resolves when the last seal noted is on disk, fsynced. */
  async close(): Promise<void> {
    await this.#running
    try {
      await this.handle.sync()
    } finally {
      await this.handle.close()
    }
  }

  async #run(): Promise<void> {
    try {
      for (let seal = this.#take(); seal !== undefined; seal = this.#take()) {
        await this.handle.write(slotOf(seal), 0, undefined, (this.#writes % SLOTS) * SLOT_BYTES)
        if (++this.#writes % WRITES_PER_SYNC === 0) await this.handle.datasync()
      }
    } catch (thrown) {
      this.onFailure(thrown)
    } finally {
      this.#running = undefined
    }
  }

  #take(): StoreSeal | undefined {
    const seal = this.#latest
    this.#latest = undefined
    return seal
  }
}

/** @returns the newest seal that is whole; null when there is none in the file; undefined when there is no file */
export async function readSealFile(directory: string): Promise<StoreSeal | null | undefined> {
  let handle: FileHandle
  try {
    handle = await open(join(directory, SEAL_FILE), 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    let newest: StoreSeal | null = null
    for (let slot = 0; slot < SLOTS; slot++) {
      const bytes = Buffer.alloc(SLOT_BYTES)
      await handle.read(bytes, 0, SLOT_BYTES, slot * SLOT_BYTES)
      const seal = sealIn(bytes)
      if (seal !== undefined && (newest === null || seal.commits > newest.commits)) newest = seal
    }
    return newest
  } finally {
    await handle.close()
  }
}

function slotOf(seal: StoreSeal): Uint8Array {
  const value = encodeStoreSeal(SEAL_FILE, seal)
  const slot = Buffer.allocUnsafe(2 + value.length)
  slot.writeUInt16BE(value.length, 0)
  slot.set(value, 2)
  return slot
}

function sealIn(slot: Buffer): StoreSeal | undefined {
  try {
    return decodeStoreSeal(SEAL_FILE, slot.subarray(2, 2 + slot.readUInt16BE(0)))
  } catch {
    return undefined
  }
}
