import { LIMITS } from './limits.js'
import type { Node } from './node.js'

/** An entry of a set as one number: the node of its change, and its index there. Ascends with both. */
export type EntryKey = number

const PER_CHANGE = LIMITS.entries_per_change_max

export function entryKey(node: Node, index: number): EntryKey {
  return node * PER_CHANGE + index
}

export function nodeOfKey(key: EntryKey): Node {
  return Math.floor(key / PER_CHANGE)
}

export function indexOfKey(key: EntryKey): number {
  return key % PER_CHANGE
}
