import { toHex } from '../base/bytes.js'
import { HASH_BYTES } from '../base/hash.js'
import type { Hash } from '../base/ports.js'
import type { Change } from '../change/change.js'
import { readStateChunk, withDeps } from './automerge-chunk.js'
import { readStandIn } from './stand-in.js'

/** A state change as Automerge gets it. */
export interface StateForm {
  readonly bytes: Uint8Array
  /** Automerge's hash of that, where it is not of the bytes as they were written. */
  readonly hash: string | undefined
}

/**
 * The forms in which Automerge gets the state changes of a context. Where one was erased (ERA-1) it gets what stands in for
 * it, which has another hash; so all that come after that are given it as their dep, and have other hashes too. Nothing of
 * this is stored or sent: what an author writes names the deps as they were written.
 */
export class StateForms {
  /** By the hash as written, and back. */
  readonly #appliedAs = new Map<string, string>()
  readonly #writtenAs = new Map<string, string>()

  constructor(private readonly hash: Hash) {}

  /** The form of a change that has a state, or something that stands in for it. To be asked deps first. */
  of({ state, standIn }: Pick<Change, 'state' | 'standIn'>): StateForm {
    const bytes = this.#mapped(state ?? readStandIn(standIn!, this.hash).bytes, this.#appliedAs)
    if (bytes === state) return { bytes, hash: undefined }
    const applied = readStateChunk(bytes, this.hash).hash
    const written = state ? readStateChunk(state, this.hash).hash : toHex(standIn!, 0, HASH_BYTES)
    this.#appliedAs.set(written, applied)
    this.#writtenAs.set(applied, written)
    return { bytes, hash: applied }
  }

  /** A change that Automerge has made on top of what it got, as it is to be written. */
  asWritten(bytes: Uint8Array): Uint8Array {
    return this.#mapped(bytes, this.#writtenAs)
  }

  clear(): void {
    this.#appliedAs.clear()
    this.#writtenAs.clear()
  }

  #mapped(bytes: Uint8Array, as: ReadonlyMap<string, string>): Uint8Array {
    if (as.size === 0) return bytes
    const { deps } = readStateChunk(bytes, this.hash)
    if (!deps.some(dep => as.has(dep))) return bytes
    return withDeps(bytes, deps.map(dep => as.get(dep) ?? dep).sort(), this.hash)
  }
}
