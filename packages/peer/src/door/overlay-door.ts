import { type Clock, OVERLAY_WORKFLOW, type OverlayHolder, type Position, WeftError } from '@weft/core'
import type { PeerEffect } from '@weft/protocol'
import type { ContextLog } from '../log/context-log.js'
import type { Contexts } from '../tenants/contexts.js'
import type { OverlayAsker } from '../tenants/tenant-overlays.js'

type Asked<Name extends PeerEffect['do']> = PeerEffect & { do: Name }

/** What one connection asks about the overlays of its tenant. */
export class OverlayDoor {
  constructor(
    private readonly host: { readonly contexts: Contexts; readonly clock: Clock },
    private readonly tenant: string,
    private readonly asker: OverlayAsker,
  ) {}

  /** Whether all of the log is known, and for how long that may be relied on. */
  async confirm(log: ContextLog, { position, last }: Asked<'confirm'>) {
    const overlays = await this.host.contexts.overlays(this.tenant)
    const ttl_ms = overlays.confirm(this.asker, log, position, last)
    return { position: log.count, ttl_ms }
  }

  seen({ position }: Asked<'seen'>): void {
    void this.host.contexts.overlays(this.tenant).then(overlays => overlays.seen(this.asker, position))
  }

  /**
   * Waits until nobody can begin a step under what was in force before `position`, and all that was admitted before it
   * is written.
   * @returns who still can, when the time is up
   * @throws WEFT_POSITION_UNKNOWN
   */
  async barrier(
    log: ContextLog,
    { position, timeout_ms }: Asked<'barrier'>,
  ): Promise<readonly OverlayHolder[]> {
    if (position > log.count) throw unknownPosition(position, log.count)
    const { contexts } = this.host
    const overlays = await contexts.overlays(this.tenant)
    const [holders] = await Promise.all([
      overlays.barrier(position, timeout_ms),
      contexts.settled(this.tenant),
    ])
    return holders
  }

  /** The replica no longer follows a workflow, and has said so. */
  left(workflow: string): void {
    if (workflow !== OVERLAY_WORKFLOW) return
    void this.host.contexts.overlays(this.tenant).then(overlays => overlays.leave(this.asker))
  }
}

function unknownPosition(position: Position, count: Position): WeftError {
  return new WeftError(
    'WEFT_POSITION_UNKNOWN',
    `the log of overlays ends at ${count}, before ${position}`,
    'wait until the publication is committed before waiting for its barrier',
    { position, known: count },
  )
}
