import type { Workload } from './workload.js'

/** One system in the race. Each does the same work in the fastest way its interface offers. */
export interface Contender {
  readonly name: string
  /** A writer for each branch, on a replica of its own. Not timed. */
  prepare(work: Workload): Writers
  /** Takes all messages into one new replica, in one batch, until their order is known. */
  merge(messages: readonly Uint8Array[]): Merged
  /** From `Merged.save` to all entries as values. */
  load(saved: Uint8Array): readonly unknown[]
  /** One message for each branch, of its whole state, where that is what it sends when nobody has synced before. */
  states?(work: Workload): Uint8Array[]
}

export interface Writers {
  /** Writes every operation as a change of its own, keeping the bytes that a sync would send for it. */
  append(): void
  /** What all branches begin with. */
  readonly shared: readonly Uint8Array[]
  /** By branch, one message a change. */
  readonly messages: readonly (readonly Uint8Array[])[]
  /** Lets go of what only `append` needed. */
  free(): void
}

export interface Merged {
  readonly length: number
  readState(): unknown
  save(): Uint8Array
}

/** Messages as they come in when one branch is handed over after the other. */
export function branchAfterBranch({ shared, messages }: Writers): Uint8Array[] {
  return [...shared, ...messages.flat()]
}

/** Messages as they come in when all branches are written at once: one of each in turn. */
export function inTurn({ shared, messages }: Writers): Uint8Array[] {
  const all = [...shared]
  const longest = Math.max(...messages.map(list => list.length))
  for (let i = 0; i < longest; i++) for (const list of messages) if (list[i]) all.push(list[i]!)
  return all
}
