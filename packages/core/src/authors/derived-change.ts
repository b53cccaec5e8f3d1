import { encodeUtf8, writeHex } from '../base/bytes.js'
import { hexHash } from '../base/hash.js'
import type { BranchName } from '../base/ids.js'
import { canonicalJson, type Json, type JsonObject } from '../base/json.js'
import type { Node } from '../base/node.js'
import type { Hash } from '../base/ports.js'
import { stateRef } from '../refs/ref.js'
import { type Change, sealChange } from '../change/change.js'
import { withEnds } from '../change/header-notes.js'
import { ACTOR_BYTES, type HeaderNotes } from '../change/header.js'
import type { ChangeSet } from '../set/change-set.js'
import { StateDoc } from '../state/state-doc.js'

/** Who writes what follows from the model and not from an agent. */
export const WEFT_AGENT = 'weft'

export interface DerivedChange {
  /** All that the change follows from: its actor and its salt are made of this. */
  readonly seed: Json
  readonly branch: BranchName
  /** Heads to depend on, none in the past of another. */
  readonly deps: readonly Node[]
  readonly time: number
  /** The whole state as it should be. */
  readonly state: JsonObject
  /** Pointers to name as written even where the value is what it was. */
  readonly touches?: readonly string[]
  readonly notes: HeaderNotes
}

/**
 * A change that whoever makes it makes with the same bytes, so that all who do write one and the same. Its one author
 * is whoever has the seed: the seed must name everything that the bytes depend on.
 * @throws WEFT_CHANGE_TOO_LARGE
 */
export function deriveChange(set: ChangeSet, derived: DerivedChange, hash: Hash): Change {
  const { branch, deps, time, touches = [], notes } = derived
  const seed = hexHash(hash, encodeUtf8(canonicalJson(derived.seed)))
  const actor = seed.slice(0, ACTOR_BYTES * 2)
  const document = new StateDoc(set, set.viewAt(deps), actor)
  try {
    // In one order of keys, as in the seed: else one actor would sign as many changes as there are orders.
    const written = document.write(JSON.parse(canonicalJson(derived.state)) as JsonObject)
    return sealChange(
      {
        actor,
        seq: 1,
        lamport: 1 + deps.reduce((most, node) => Math.max(most, set.dag.lamport(node)), 0),
        time,
        branch,
        agent: WEFT_AGENT,
        deps: set.dag.packIds(deps),
        kinds: [],
        values: [],
        state: written?.bytes ?? null,
        writes: [...new Set([...(written?.pointers ?? []), ...touches])].map(stateRef),
        reads: [],
        notes: withEnds(notes, written?.ends),
      },
      { hash, random: (target, at, length) => writeHex(seed.slice(-length * 2), target, at) },
      set.writer,
    )
  } finally {
    document.free()
  }
}
