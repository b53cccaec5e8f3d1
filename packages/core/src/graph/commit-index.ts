import { ByteIndex } from '../base/byte-index.js'
import { fromHex, toHex } from '../base/bytes.js'
import { HASH_BYTES } from '../base/hash.js'
import { type ChangeId, isChangeId, type Position } from '../base/ids.js'
import { IntList } from '../base/int-list.js'
import type { Change } from '../change/change.js'

/** What a replica was told of the committed log: which change has which position, and how far it knows all of them. */
export class CommitIndex {
  /** All that were ever told of; a text for each would take more than all the rest. */
  readonly #ids = new ByteIndex(HASH_BYTES)
  /** By number of a change: where it stands, 0 where that was forgotten. */
  readonly #positions = new IntList()
  /** By position: the number of the change there. */
  readonly #numbers: (number | undefined)[] = [undefined]
  #contiguous: Position = 0
  /** By position, what was forgotten and has not been told again. */
  readonly #forgotten: (number | undefined)[] = []
  readonly #rewritten: Position[] = []

  /** The highest position up to which every change is known. */
  get position(): Position {
    return this.#contiguous
  }

  /** The highest position of which anything is known, with gaps below it or not. */
  get highest(): Position {
    return this.#numbers.length - 1
  }

  /** How often the log has turned out to be another one than was told before: to ask `rewrittenSince` by. */
  get rewrites(): number {
    return this.#rewritten.length
  }

  /** The first position of which anything else was told than before, since there were so many rewrites; or infinity. */
  rewrittenSince(rewrites: number): Position {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#rewritten.slice(rewrites))
  }

  record(position: Position, id: ChangeId): void {
    this.#record(position, fromHex(id), 0)
  }

  /** As `record`, of a change whose id nobody has had to spell yet. */
  recordChange(position: Position, { ids, idAt }: Change): void {
    this.#record(position, ids, idAt)
  }

  positionOf(id: ChangeId): Position | undefined {
    return isChangeId(id) ? this.#positionOf(this.#ids.find(fromHex(id))) : undefined
  }

  /** As `positionOf`, of a change whose id nobody has had to spell yet. */
  positionOfChange({ ids, idAt }: Change): Position | undefined {
    return this.#positionOf(this.#ids.find(ids, idAt))
  }

  idAt(position: Position): ChangeId | undefined {
    const number = this.#numbers[position]
    return number === undefined ? undefined : toHex(this.#ids.key(number))
  }

  /** Whether another change than this one was told of at a position. */
  contradicts(position: Position, { ids, idAt }: Change): boolean {
    const number = this.#numbers[position]
    return number !== undefined && !this.#ids.is(number, ids, idAt)
  }

  /** Forgets what was said of the log after `position`. */
  truncate(position: Position): void {
    for (let at = position + 1; at < this.#numbers.length; at++) {
      const number = this.#numbers[at]
      if (number === undefined) continue
      this.#positions.set(number, 0)
      this.#forgotten[at] = number
    }
    this.#numbers.length = Math.min(this.#numbers.length, position + 1)
    this.#contiguous = Math.min(this.#contiguous, position)
  }

  #record(position: Position, ids: Uint8Array, idAt: number): void {
    const number = this.#number(ids, idAt)
    const before = this.#numbers[position] ?? this.#forgotten[position]
    if (before !== undefined && before !== number) this.#rewriteFrom(position)
    this.#numbers[position] = number
    this.#positions.set(number, position)
    while (this.#numbers[this.#contiguous + 1] !== undefined) this.#contiguous++
    if (this.#forgotten.length <= this.#contiguous + 1) this.#forgotten.length = 0
  }

  #number(ids: Uint8Array, idAt: number): number {
    const known = this.#ids.find(ids, idAt)
    if (known >= 0) return known
    this.#positions.push(0)
    return this.#ids.insert(ids, idAt)
  }

  #positionOf(number: number): Position | undefined {
    return number < 0 ? undefined : this.#positions.at(number) || undefined
  }

  /** What comes after it is another one, too, whatever was told of that. */
  #rewriteFrom(position: Position): void {
    this.#rewritten.push(position)
    this.#forgotten.length = Math.min(this.#forgotten.length, position)
  }
}
