import { WeftError } from '../base/errors.js'
import type { ChangeId } from '../base/ids.js'
import type { Change } from '../change/change.js'

// Why a change does not fit into a graph (CHG-2, CHG-3).

const AUTHOR_CURE =
  'the author of this change is at fault (or its bytes were forged): it must be written again by a new actor'

export function depsMissing(id: ChangeId, missing: readonly ChangeId[]): WeftError {
  return new WeftError(
    'WEFT_CHANGE_DEPS_MISSING',
    `change ${id.slice(0, 12)} depends on ${missing.length} change(s) that are not here`,
    'send the missing changes first, in causal order',
    { change: id, missing },
  )
}

export function badSeq({ header, id }: Change, expected: number): WeftError {
  return new WeftError(
    'WEFT_CHANGE_SEQ',
    `change ${id.slice(0, 12)} has seq ${header.seq} where its actor's next is ${expected}`,
    header.seq > expected ? 'send the changes between first, in order' : AUTHOR_CURE,
    { change: id, actor: header.actor, seq: header.seq, expected },
  )
}

export function badLamport({ header, id }: Change, expected: number): WeftError {
  return new WeftError(
    'WEFT_CHANGE_LAMPORT',
    `change ${id.slice(0, 12)} has lamport ${header.lamport} where its deps make ${expected}`,
    AUTHOR_CURE,
    { change: id, lamport: header.lamport, expected },
  )
}

export function depsActor({ header, id }: Change): WeftError {
  return new WeftError(
    'WEFT_CHANGE_DEPS_ACTOR',
    `change ${id.slice(0, 12)} (seq ${header.seq}) does not depend on its actor's previous change`,
    AUTHOR_CURE,
    { change: id, actor: header.actor },
  )
}

export function equivocation({ header, id: offered }: Change, known: ChangeId): WeftError {
  return new WeftError(
    'WEFT_CHANGE_EQUIVOCATION',
    `actor ${header.actor.slice(0, 8)} wrote two changes with seq ${header.seq}: ` +
      `${known.slice(0, 12)} is kept, ${offered.slice(0, 12)} is refused`,
    'an actor must never be reused: open a new branch handle instead of restoring an old one',
    { actor: header.actor, seq: header.seq, known, offered },
  )
}
