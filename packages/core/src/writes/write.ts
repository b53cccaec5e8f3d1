import type { Node } from '../base/node.js'
import type { VersionedRef } from '../refs/ref.js'

/** A write in a view, numbered in the order of arrival. */
export interface Write extends VersionedRef {
  readonly number: number
  readonly node: Node
  /** Where its change stands in the order of arrival. */
  readonly place: number
}
