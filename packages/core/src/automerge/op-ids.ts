import type { ActorId } from '../base/ids.js'

/** Of an op of Automerge: its number, and who made it. Spelled as Automerge does, `counter@actor`. */
export interface OpId {
  readonly counter: number
  readonly actor: ActorId
}

/** The author first, as number 0, then all others whose ops are named, ascending. */
export function actorsOf(author: ActorId, named: readonly (OpId | undefined)[]): ActorId[] {
  const others = new Set(named.map(id => id?.actor))
  others.delete(undefined)
  others.delete(author)
  return [author, ...([...others] as ActorId[]).sort()]
}

export function opIdOf(spelled: string): OpId {
  const at = spelled.indexOf('@')
  return { counter: Number(spelled.slice(0, at)), actor: spelled.slice(at + 1) }
}
