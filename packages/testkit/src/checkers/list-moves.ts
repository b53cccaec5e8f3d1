import type { Change, ChangeId } from '@weft/core'

/*
 * When what was read of a list is touched although its pointer is not, by the definition: over all moves of items, without
 * any index of them.
 */

/** Items of a list that a change moved: those at an index, and behind it. */
export interface ListMove {
  readonly list: string
  readonly from: number
  /** Whether it took something out there. */
  readonly removes: boolean
  readonly by: ChangeId
}

/** A ref that a change wrote, or said the end of a list with. */
export interface Wrote {
  readonly ref: string
  readonly isEnd: boolean
  readonly by: ChangeId
}

/** Whether a change is in the past of another one. */
export type IsBefore = (earlier: ChangeId, later: ChangeId) => boolean

const MARK = /^state:(.*)\/~([<>])(\d+)$/s

export function movesBy({ id, header }: Change): ListMove[] {
  return [...header.writes, ...endsBy({ header })].flatMap(ref => {
    const [, list, kind, from] = MARK.exec(ref) ?? []
    return list === undefined ? [] : [{ list, from: Number(from), removes: kind === '<', by: id }]
  })
}

/** What a change says of the ends of lists, as refs. */
export function endsBy({ header }: Pick<Change, 'header'>): string[] {
  return (header.notes.ends ?? []).map(end => `state:${end}`)
}

/**
 * Whether a write moved the item that a change read, or may be to it although it goes by another index.
 * @param moves of all that is here
 */
export function isTouchedByMove(
  wrote: Wrote,
  read: string,
  reader: ChangeId,
  moves: readonly ListMove[],
  isBefore: IsBefore,
): boolean {
  if (!wrote.ref.startsWith('state:') || !read.startsWith('state:')) return false
  return isMoved(wrote.ref, read) || isAstray(wrote, read, reader, moves, isBefore)
}

/** Whether an item stands at the place of a mark, or behind it. */
function isMoved(mark: string, read: string): boolean {
  const [, list, , from] = MARK.exec(mark) ?? []
  const at = list === undefined ? undefined : itemIn(list, read)
  return at !== undefined && at >= Number(from)
}

/** Which item of a list a ref goes by, or from which on it is a move of that list. */
function itemIn(list: string, ref: string): number | undefined {
  const rest = ref.startsWith(`state:${list}/`) ? ref.slice(`state:${list}/`.length) : ''
  const found = /^(?:(\d+)(?:\/|$)|~[<>](\d+)$)/.exec(rest)
  return found ? Number(found[1] ?? found[2]) : undefined
}

function isAstray(
  wrote: Wrote,
  read: string,
  reader: ChangeId,
  moves: readonly ListMove[],
  isBefore: IsBefore,
): boolean {
  const knows = ({ by }: ListMove): boolean => by === reader || isBefore(by, reader)
  const lacks = ({ by }: ListMove): boolean => by !== wrote.by && !isBefore(by, wrote.by)
  /** A move that both had seen, and whose indexes the author of another one did not go by. */
  const shifts = (move: ListMove, other: ListMove): boolean =>
    knows(move) && !lacks(move) && move.by !== other.by && !isBefore(move.by, other.by)
  return [...new Set(moves.map(({ list }) => list))].some(list => {
    const [at, written] = [itemIn(list, read), itemIn(list, wrote.ref)]
    if (at === undefined || written === undefined) return false
    // What was put at the end of a list within an item is written to that item by its pointer.
    if (wrote.isEnd && MARK.exec(wrote.ref)?.[1] !== list) return false
    const known = moves.filter(move => move.list === list && knows(move))
    const froms = known.filter(lacks).map(move => {
      const isAnywhere = known.some(other => other.removes && shifts(other, move))
      return isAnywhere ? 0 : move.from
    })
    const isInner = (move: ListMove): boolean => itemIn(list, `state:${move.list}`) !== undefined
    const isLoose = moves.some(
      move => isInner(move) && knows(move) && lacks(move) && known.some(other => shifts(other, move)),
    )
    const from = isLoose ? 0 : Math.min(...froms)
    return at >= from && written >= from
  })
}
