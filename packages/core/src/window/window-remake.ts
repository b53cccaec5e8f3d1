import { toHex } from '../base/bytes.js'
import { WeftError } from '../base/errors.js'
import type { Node } from '../base/node.js'
import type { Hash } from '../base/ports.js'
import { WINDOW_FORMAT, type WindowRecord } from '../messages/window-record.js'
import type { ChangeSet } from '../set/change-set.js'
import { Staleness } from '../staleness/staleness.js'
import type { Renderers } from '../definitions/window-render.js'
import type { TokenCounter } from './window-options.js'
import type { ToldOverlay } from './window-overlays.js'
import { type Window, Windows } from './window.js'

/** What a window is made again with, beside the set. */
export interface WindowTools {
  readonly counters: readonly TokenCounter[]
  readonly renderers: Renderers
  /** Those that the window told, or more. Default: none. */
  readonly overlays?: readonly ToldOverlay[]
  readonly hash: Hash
}

/**
 * Makes the window again that a past step saw (STP-2): the same bytes, or an error.
 * @param node the change of the step; what it saw is what it depends on
 * @throws WEFT_COUNTER_UNKNOWN · WEFT_OVERLAY_UNKNOWN · WEFT_WINDOW_DIFFERS, and as `Windows.make`
 */
export function remakeWindow(set: ChangeSet, node: Node, record: WindowRecord, tools: WindowTools): Window {
  if (record.format !== WINDOW_FORMAT)
    throw differs(record, `of format ${record.format}, where this build makes ${WINDOW_FORMAT}`)
  const counter = tools.counters.find(({ name }) => name === record.count)
  if (counter === undefined) throw unknownCounter(record.count, tools.counters)
  const view = set.viewAt(
    Array.from({ length: set.dag.depCount(node) }, (_, index) => set.dag.dep(node, index)),
  )
  const windows = new Windows(set, view, new Staleness(set, view), tools.renderers, tools.hash)
  const { budget, as, order, pin, staleness, overlays } = record
  const recipe = { budget, as, order, pin, staleness, ...(overlays && { overlays }) }
  const window = windows.make(recipe, counter, tools.overlays)
  if (window.digest === toHex(record.digest)) return window
  const gone = [...view.arrived].filter(each => set.change(each).lacksEntries).length
  throw differs(
    record,
    `now of the digest ${window.digest}${gone > 0 ? `, ${gone} changes having been erased` : ''}`,
  )
}

function unknownCounter(name: string, known: readonly TokenCounter[]): WeftError {
  return new WeftError(
    'WEFT_COUNTER_UNKNOWN',
    `the window was counted by ${JSON.stringify(name)}, which is not known here`,
    `pass that counter too; known here: ${known.map(counter => counter.name).join(', ') || '(none)'}`,
    { counter: name },
  )
}

function differs({ digest }: WindowRecord, found: string): WeftError {
  return new WeftError(
    'WEFT_WINDOW_DIFFERS',
    `the window that the step saw had the digest ${toHex(digest)}, and is ${found}`,
    'make it with the definition (its renderers) and the release of Weft that the step ran with; what was erased cannot be told again',
    { digest: toHex(digest) },
  )
}
