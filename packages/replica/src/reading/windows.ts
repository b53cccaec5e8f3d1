import {
  type WindowOptions as AnyWindowOptions,
  type BranchName,
  type ChangeId,
  type ChangeSet,
  type ContextDefinition,
  type EntrySchemas,
  resolveOptions,
  Staleness,
  type ToldOverlay,
  type TokenCounter,
  type Window,
  type WindowFormat,
  Windows,
} from '@weft/core'
import { nodeHost } from '../base/node-host.js'
import { o200k } from '../base/token-counter.js'
import type { OverlayKey } from '../overlays/overlay-table.js'

/** As core's; without a counter, `o200k` counts. Overlays are told to steps, which run under them. */
export type WindowOptions<As extends WindowFormat = WindowFormat> = Omit<
  AnyWindowOptions<As>,
  'count' | 'overlays'
> & { readonly count?: TokenCounter }

export type StepWindowOptions<As extends WindowFormat = WindowFormat> = WindowOptions<As> & {
  /**
   * Which of the overlays that the step runs under the window tells, as the system's: those of these definitions, told as
   * they say, and of these names. Default: all, where the replica follows them.
   */
  readonly overlays?: readonly OverlayKey[]
}

/** Makes windows of one view. */
export type MakeWindow = <As extends WindowFormat = 'openai'>(
  options: WindowOptions<As>,
  overlays?: readonly ToldOverlay[],
) => Window<As>

/** The windows of a branch of a set, which are kept up to date with it, and those of its past. */
export class BranchWindows {
  readonly #present: Windows

  constructor(
    private readonly set: ChangeSet,
    private readonly branch: BranchName,
    private readonly definition: ContextDefinition<unknown, EntrySchemas>,
    staleness: Staleness,
  ) {
    const { render } = definition
    this.#present = new Windows(set, set.view(branch), staleness, render, nodeHost.hash)
  }

  /** Makes windows of what these heads show. @throws WEFT_CHANGE_UNKNOWN */
  at(heads: readonly ChangeId[]): MakeWindow {
    let past: Windows | undefined
    return (options, overlays = []) => {
      const counter = options.count ?? o200k
      const recipe = resolveOptions({ ...options, count: counter, overlays }, this.definition)
      if (sameIds(heads, this.set.heads(this.branch))) return this.#present.make(recipe, counter, overlays)
      past ??= this.#past(heads)
      return past.make(recipe, counter, overlays)
    }
  }

  #past(heads: readonly ChangeId[]): Windows {
    const { set } = this
    const view = set.viewAt(set.nodes(heads))
    return new Windows(set, view, new Staleness(set, view), this.definition.render, nodeHost.hash)
  }
}

function sameIds(a: readonly ChangeId[], b: readonly ChangeId[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index])
}
