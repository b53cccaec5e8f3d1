import type { ChangeId, Position } from '@weft/core'
import { entryOf, forget } from './checker.js'
import type { Observation, Place } from './observation.js'

/** What is durable in each context, by position: what a session token stands for. */
export class DurableLogs {
  readonly #logs = new Map<string, ChangeId[]>()

  see(observation: Observation): void {
    if (observation.saw === 'removed') forget(this.#logs, observation.tenant)
    if (observation.saw !== 'durable') return
    const { at, position, change } = observation
    entryOf(this.#logs, at.key, () => [])[position - 1] = change.id
  }

  /** The first `position` changes of a log. */
  upTo({ key }: Place, position: Position): readonly ChangeId[] {
    return (this.#logs.get(key) ?? []).slice(0, position)
  }
}
