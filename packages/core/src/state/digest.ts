import { encodeUtf8, writeHex } from '../base/bytes.js'
import { HASH_BYTES, hexHash } from '../base/hash.js'
import { canonicalJson, type Json } from '../base/json.js'
import type { Hash } from '../base/ports.js'
import type { ChangeSet } from '../set/change-set.js'
import { findConflicts } from './conflicts.js'
import { StateDoc } from './state-doc.js'

/**
 * 64 hex digits that are equal for equal sets of changes and, but for a broken hash, only for those (CHG-4). Computed
 * over what readers see: the order of all changes, the heads of every branch, the state of all branches together in
 * canonical JSON, and its conflicts. So it also differs when two replicas would show one set differently.
 */
export function digest(set: ChangeSet, hash: Hash): string {
  const view = set.everything()
  const order = new Uint8Array(view.size * HASH_BYTES)
  let at = 0
  for (const node of view.flatten()) {
    writeHex(set.dag.id(node), order, at)
    at += HASH_BYTES
  }
  const state = new StateDoc(set, view)
  try {
    const content = {
      order: hexHash(hash, order),
      branches: Object.fromEntries(set.branches.names().map(name => [name, set.heads(name)])),
      state: state.read(),
      conflicts: findConflicts(set, view, state).map(({ pointer, winner, values }) => ({
        pointer,
        winner: winner ?? null,
        values: values.map(value => ({
          change: value.change,
          pointer: value.pointer,
          value: value.value ?? null,
        })),
      })),
    }
    return hexHash(hash, encodeUtf8(canonicalJson(content as Json)))
  } finally {
    state.free()
  }
}
