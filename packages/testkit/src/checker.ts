import type { Observation, Saw } from './observation.js'

export interface Violation {
  /** The id of the law, as in `[DUR-1]`. */
  readonly law: string
  readonly message: string
}

export type Report = (law: string, message: string) => void

/** What a checker does with what it sees, by kind; what it does not name is none of its business. */
export type Judgements = {
  readonly [Kind in Observation['saw']]?: (observation: Saw<Kind>, report: Report) => void
}

/** One group of laws, judged as the world goes on. */
export interface Checker {
  readonly name: string
  readonly on: Judgements
  /** When all is over. */
  end?(report: Report): void
}

/** Hands what is seen to every checker, and keeps what they find. */
export class Court {
  readonly violations: Violation[] = []

  constructor(private readonly checkers: readonly Checker[]) {}

  readonly see = (observation: Observation): void => {
    for (const { on } of this.checkers) {
      const judge = on[observation.saw] as ((seen: Observation, report: Report) => void) | undefined
      judge?.(observation, this.report)
    }
  }

  readonly report: Report = (law, message) => void this.violations.push({ law, message })

  end(): void {
    for (const checker of this.checkers) checker.end?.(this.report)
  }
}

/** The value at a key, made when there is none. */
export function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

export function short(id: string): string {
  return id.slice(0, 8)
}
