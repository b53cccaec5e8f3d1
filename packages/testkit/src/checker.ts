import type { Observation, Saw } from './observation.js'

export interface Violation {
  /** The checker that found it. */
  readonly checker: string
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
}

/** Hands what is seen to every checker, and keeps what they find. */
export class Court {
  readonly violations: Violation[] = []
  /** Told what is seen as well. */
  readonly observers: ((observation: Observation) => void)[] = []

  readonly #judges = new Map<string, ((observation: Observation) => void)[]>()

  constructor(checkers: readonly Checker[]) {
    for (const { name, on } of checkers) {
      const report: Report = (law, message) => this.report(name, law, message)
      for (const [kind, judge] of Object.entries(on) as [
        string,
        (seen: Observation, report: Report) => void,
      ][])
        entryOf(this.#judges, kind, () => []).push(observation => judge(observation, report))
    }
  }

  readonly see = (observation: Observation): void => {
    for (const judge of this.#judges.get(observation.saw) ?? []) judge(observation)
    for (const observer of this.observers) observer(observation)
  }

  report(checker: string, law: string, message: string): void {
    this.violations.push({ checker, law, message })
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

/** What is known of the contexts of a tenant is known no more: it was removed, and may begin anew. */
export function forget(map: Map<string, unknown>, tenant: string): void {
  for (const key of map.keys()) if (key.startsWith(`${tenant}:`)) map.delete(key)
}
