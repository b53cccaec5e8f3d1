import {
  type Change,
  type ChangeId,
  checkStandIn,
  decodeChange,
  type Hash,
  type Preconditions,
  standInsOf,
  unpackIds,
  WeftError,
} from '@weft/core'
import type { Subscriber } from '../base/subscriber.js'
import type { ContextLog } from '../log/context-log.js'
import { erases } from '../log/erasing.js'

/**
 * Hands what a connection offers to its logs, each change that erases when it has been held against the log on the disk. What
 * comes behind it on that channel waits, as it may depend on it.
 */
export class ErasureDoor {
  readonly #waiting = new Map<Subscriber, Promise<void>>()

  constructor(
    private readonly mayErase: () => boolean,
    private readonly hash: Hash,
  ) {}

  submit(
    log: ContextLog,
    changes: readonly Change[],
    origin: Subscriber,
    preconditions?: Preconditions,
  ): void {
    const before = this.#waiting.get(origin)
    if (before === undefined && !changes.some(erases)) {
      log.submit(changes, origin, preconditions)
      return
    }
    const done = (before ?? Promise.resolve())
      .then(() => this.#inTurn(log, changes, origin, preconditions))
      .finally(() => {
        if (this.#waiting.get(origin) === done) this.#waiting.delete(origin)
      })
    this.#waiting.set(origin, done)
  }

  async #inTurn(
    log: ContextLog,
    changes: readonly Change[],
    origin: Subscriber,
    preconditions: Preconditions | undefined,
  ): Promise<void> {
    let from = 0
    for (const [at, change] of changes.entries()) {
      if (!erases(change)) continue
      this.#hand(log, changes.slice(from, at), origin, preconditions)
      from = at
      try {
        await checkErasure(log, change, this.mayErase(), this.hash)
      } catch (error) {
        from++
        origin.refused(change.id, error)
      }
    }
    this.#hand(log, changes.slice(from), origin, preconditions)
  }

  /** A log that its channel has let go of meanwhile may be open a second time by now: nothing goes to this one any more. */
  #hand(
    log: ContextLog,
    changes: readonly Change[],
    origin: Subscriber,
    preconditions: Preconditions | undefined,
  ): void {
    if (changes.length > 0 && log.isFollowedBy(origin)) log.submit(changes, origin, preconditions)
  }
}

/**
 * Whether a log may take a change that erases: from whoever may administer, and from others when it takes nothing from
 * this log, which so gets back what it has lost. What is to stand in for a state must be all of it but its values: who has
 * the state no more cannot tell, and goes by this.
 * @throws WEFT_SCOPE · WEFT_ERASE_REFUSED, and as `ContextLog.read`
 */
async function checkErasure(log: ContextLog, change: Change, mayErase: boolean, hash: Hash): Promise<void> {
  await log.settled()
  const standIns = standInsOf(change, hash)
  for (const id of unpackIds(change.header.notes.erases!)) {
    const position = log.positionOf(id)
    if (position === undefined) continue
    const [record] = await log.read(position, 1)
    const target = decodeChange(record!.bytes, hash)
    if (target.complete && !mayErase) throw mayNotErase()
    const standIn = standIns.get(id)
    if (standIn) checkStandIn(target, standIn, hash)
    else if (target.state !== null) throw lacksStandIn(id)
  }
}

function mayNotErase(): WeftError {
  return new WeftError(
    'WEFT_SCOPE',
    'the token does not allow to erase',
    'use a token whose scopes include "write" and "admin"',
    { needed: 'admin' },
  )
}

function lacksStandIn(id: ChangeId): WeftError {
  return new WeftError(
    'WEFT_ERASE_REFUSED',
    `change ${id.slice(0, 12)} wrote to the state, and nothing is brought to stand in for that`,
    'let a Weft replica make the change that erases: `weft erase`, or `context.erase`',
    { change: id },
  )
}
