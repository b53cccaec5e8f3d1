import { type Change, sealChange } from './change.js'
import { ChangeSet } from './change-set.js'
import { canonicalJson, type Json, type JsonObject } from './json.js'
import { EMPTY_BYTES, encodeUtf8, writeHex } from './bytes.js'
import { hexHash } from './hash.js'
import { ACTOR_BYTES } from './header.js'
import { MAIN_BRANCH } from './ids.js'
import type { Host } from './ports.js'
import type { ContextDefinition } from './schema.js'
import { stateRef } from './ref.js'
import { StateDoc } from './state-doc.js'

/** Raise when a release makes other bytes of the same initial state: its genesis is then another actor's. */
const GENESIS_FORMAT = 1
export const GENESIS_AGENT = 'weft'

/**
 * The change that writes a definition's initial state. Its bytes follow from the definition alone (actor, salt and
 * time are derived), so workers that begin a context at once write one and the same change.
 */
export function genesis(definition: ContextDefinition, hash: Host['hash']): Change | undefined {
  const { name, version, initial } = definition
  if (initial === undefined || Object.keys(initial).length === 0) return undefined
  const seed = hexHash(
    hash,
    encodeUtf8(canonicalJson(['weft-genesis', GENESIS_FORMAT, name, version, initial] as Json)),
  )
  const actor = seed.slice(0, ACTOR_BYTES * 2)
  const empty = new ChangeSet(hash)
  const state = new StateDoc(empty, empty.everything(), actor)
  try {
    // In one order of keys, as in the seed: else one actor would sign as many changes as there are orders.
    const written = state.write(JSON.parse(canonicalJson(initial)) as JsonObject)!
    return sealChange(
      {
        actor,
        seq: 1,
        lamport: 1,
        time: 0,
        branch: MAIN_BRANCH,
        agent: GENESIS_AGENT,
        deps: EMPTY_BYTES,
        kinds: [],
        values: [],
        state: written.bytes,
        writes: written.pointers.map(stateRef),
        reads: [],
        notes: { schema: { name, version } },
      },
      { hash, random: (target, at, length) => writeHex(seed.slice(-length * 2), target, at) },
    )
  } finally {
    state.free()
  }
}
