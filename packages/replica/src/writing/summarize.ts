import {
  type BranchName,
  type ChangeId,
  type ChangeSet,
  type CommitIndex,
  type Entry,
  headsAt,
  type Json,
  type Node,
  type Position,
  rangeBetween,
  SUMMARY_KIND,
  WeftError,
  type Write,
} from '@weft/core'

/** The part of a branch to be summarised: after `from`, up to and with `to`; a position of the log, or heads. */
export interface SummaryRange {
  /** Default: the beginning. */
  readonly from?: Position | readonly ChangeId[]
  /** Default: the present. */
  readonly to?: Position | readonly ChangeId[]
}

/** The text that stands for entries: what a model makes of them, say. */
export type Summarizer<AnyEntry> = (entries: readonly AnyEntry[]) => Promise<string> | string

/** What a summary stands for, found before it is written. */
export interface SummaryPlan {
  /** In order; without those that are reverted or erased. */
  readonly entries: readonly Entry[]
  readonly write: (text: string) => Write
}

/** @throws WEFT_SUMMARY_EMPTY · WEFT_POSITION_UNKNOWN · WEFT_CHANGE_UNKNOWN */
export function planSummary(
  set: ChangeSet,
  branch: BranchName,
  { from: after = [], to: upTo = set.heads(branch) }: SummaryRange,
  index: CommitIndex,
): SummaryPlan {
  const view = set.view(branch)
  const nodesAt = (when: Position | readonly ChangeId[]): readonly Node[] =>
    typeof when === 'number' ? headsAt(index, set, branch, when) : set.nodes(when)
  const [from, to] = [nodesAt(after), nodesAt(upTo)]
  const hidden = [...from, ...to].find(node => !view.has(node))
  if (hidden !== undefined) throw notVisible(set.dag.id(hidden))
  const range = new Set(rangeBetween(set.dag, from, to))
  const reverted = set.reverts.standing(view)
  const entries = [...view.flatten()]
    .filter(node => range.has(node) && !reverted.has(node) && !set.effects.has(node))
    .flatMap(node => set.entriesOf(node))
    .filter(({ erased }) => erased === undefined)
  if (entries.length === 0) throw empty()
  const summary = {
    from: set.dag.packIds(set.maximal(from)),
    to: set.dag.packIds(set.maximal(to)),
  }
  return {
    entries,
    write: text => ({
      entries: [{ kind: SUMMARY_KIND, value: { text: checked(text) } as Json }],
      notes: { summary },
    }),
  }
}

function checked(text: unknown): string {
  if (typeof text === 'string' && text.trim() !== '') return text
  throw new WeftError(
    'WEFT_SUMMARY_EMPTY',
    'the summary is not a text, or an empty one',
    'let the function return the text that is to stand for the entries; nothing was written',
  )
}

function empty(): WeftError {
  return new WeftError(
    'WEFT_SUMMARY_EMPTY',
    'the range holds no entry that could be summarised',
    'name a range that is not empty: `from` must be before `to`, and what is reverted does not count',
  )
}

function notVisible(change: ChangeId): WeftError {
  return new WeftError(
    'WEFT_CHANGE_UNKNOWN',
    `change ${change.slice(0, 12)} is not visible on this branch`,
    'summarise it on the branch that shows it, or merge that branch first',
    { change },
  )
}
