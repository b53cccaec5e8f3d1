import type { Change, Host, Position } from '@weft/core'
import type { FollowedLog, Subscriber } from '../base/subscriber.js'
import type { ContextLogHost } from './log-host.js'

/** Resolves when a change that the peer itself offers to a log is on disk; rejects with why it may not be taken. */
export function submitOwn(log: FollowedLog, change: Change): Promise<void> {
  return new Promise((resolve, reject) => {
    const subscriber: Subscriber = {
      committed: (_, own) => {
        if (own.length > 0) settle(resolve)
      },
      duplicate: () => settle(resolve),
      refused: (_, error) => settle(() => reject(error)),
      failed: error => settle(() => reject(error)),
    }
    const settle = (then: () => void): void => {
      log.unsubscribe(subscriber)
      then()
    }
    log.subscribe(subscriber)
    log.submit([change], subscriber, { heads: [], unmoved: [] })
  })
}

/** Resolves when a log has grown to `count`, or is damaged, or `other` has resolved. */
export async function reached(log: FollowedLog, count: Position, other: Promise<void>): Promise<void> {
  let watcher: Subscriber | undefined
  const grown = new Promise<void>(resolve => {
    const committed = (now: Position): void => void (now >= count && resolve())
    watcher = { ...NOBODY, committed, failed: () => resolve() }
    log.subscribe(watcher)
  })
  await Promise.race([grown, other])
  log.unsubscribe(watcher!)
}

/** Who is told nothing: of a change that nobody has offered. */
export const NOBODY: Subscriber = {
  committed: () => {},
  duplicate: () => {},
  refused: () => {},
  failed: () => {},
}

/** What the peer's own changes are made with. */
export function authorOf({ hash, random, clock }: Pick<ContextLogHost, 'hash' | 'random' | 'clock'>): Host {
  return { hash, random, now: () => clock.now() }
}
