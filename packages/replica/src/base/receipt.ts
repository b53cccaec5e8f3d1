import type { ChangeId, EntryId, Position } from '@weft/core'

/** What a write returns at once; `committed` tells later whether, and where, it became durable. */
export class Receipt {
  constructor(
    /** Undefined when there was nothing to write. */
    readonly change: ChangeId | undefined,
    /** Ids of the entries it wrote. */
    readonly entries: readonly EntryId[],
    private readonly settled: () => Promise<Position>,
  ) {}

  /**
   * Resolves with the change's position when the peer has fsynced it (DUR-1).
   * Rejects with the peer's error when it was refused (then `details.withdrawn` hands it back), with WEFT_CLOSED when the
   * replica was closed first, and with WEFT_NOT_SYNCED when its last connection, or the context at the peer, failed first:
   * it may have been taken.
   */
  get committed(): Promise<Position> {
    return this.settled()
  }
}
