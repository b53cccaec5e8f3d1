/** Something with a place in the graph. Nodes come parents first. */
export interface GraphNode {
  readonly id: string
  readonly branch: string
  readonly parents: readonly string[]
}

/** One character of a row; `branch` is the lane that it belongs to, undefined where nothing is drawn. */
export interface GraphCell {
  readonly glyph: string
  readonly branch: string | undefined
}

/** One line of the drawing. Rows with a `node` carry it; those between show how lanes part and meet. */
export interface GraphRow {
  readonly cells: readonly GraphCell[]
  readonly node?: string
}

/** A line on its way down to a node that is yet to come. */
interface Lane {
  readonly to: string
  readonly branch: string
}

type Lanes = (Lane | undefined)[]

const EMPTY: GraphCell = { glyph: ' ', branch: undefined }

/**
 * Lays nodes out in lanes, the oldest on top. A lane runs from a node to one of its children, so branches are drawn
 * beside each other from their fork to their merge, also when two workers wrote one branch at once.
 */
export function layoutGraph(nodes: readonly GraphNode[]): GraphRow[] {
  const children = childrenOf(nodes)
  const lanes: Lanes = []
  const rows: GraphRow[] = []
  for (const node of nodes) {
    const { column, joining } = enter(lanes, node)
    if (joining.length > 0) {
      rows.push({ cells: joinRow(lanes, column, joining) })
      for (const joined of joining) lanes[joined] = undefined
    }
    lanes[column] = { to: node.id, branch: node.branch }
    rows.push({ cells: nodeRow(lanes, column), node: node.id })
    const opened = leave(lanes, column, node, children.get(node.id) ?? [])
    if (opened.length > 0) rows.push({ cells: forkRow(lanes, column, opened) })
    while (lanes.length > 0 && lanes.at(-1) === undefined) lanes.pop()
  }
  return rows
}

function childrenOf(nodes: readonly GraphNode[]): Map<string, GraphNode[]> {
  const children = new Map<string, GraphNode[]>()
  for (const node of nodes) {
    for (const parent of node.parents) {
      const known = children.get(parent)
      if (known) known.push(node)
      else children.set(parent, [node])
    }
  }
  return children
}

/** The column of a node, and the other columns whose lanes end in it. */
function enter(lanes: Lanes, { id, branch }: GraphNode): { column: number; joining: number[] } {
  const incoming = lanes.flatMap((lane, index) => (lane?.to === id ? [index] : []))
  const own = incoming.find(index => lanes[index]!.branch === branch)
  const column = own ?? incoming[0] ?? freeColumn(lanes, 0)
  return { column, joining: incoming.filter(index => index !== column) }
}

/** Sends a lane to each child: the first goes straight down, the others to the right. Returns their columns. */
function leave(lanes: Lanes, column: number, node: GraphNode, children: readonly GraphNode[]): number[] {
  const straight = children.find(child => child.branch === node.branch) ?? children[0]
  if (straight === undefined) {
    lanes[column] = undefined
    return []
  }
  lanes[column] = laneTo(node, straight)
  return children
    .filter(child => child !== straight)
    .map(child => {
      const opened = freeColumn(lanes, column + 1)
      lanes[opened] = laneTo(node, child)
      return opened
    })
}

/** A lane has the name of the branch that it brings: a new one downwards, a merged one until it ends. */
function laneTo(parent: GraphNode, child: GraphNode): Lane {
  const merges = child.parents.length > 1
  return { to: child.id, branch: merges ? parent.branch : child.branch }
}

function freeColumn(lanes: Lanes, from: number): number {
  for (let column = from; column < lanes.length; column++) if (lanes[column] === undefined) return column
  return Math.max(from, lanes.length)
}

function nodeRow(lanes: Lanes, column: number): GraphCell[] {
  return spread(lanes, index => (index === column ? '●' : undefined))
}

function joinRow(lanes: Lanes, column: number, joining: readonly number[]): GraphCell[] {
  const left = Math.min(column, ...joining)
  const right = Math.max(column, ...joining)
  const glyphAt = (index: number): string | undefined => {
    if (index === column) return left < column ? (right > column ? '┼' : '┤') : '├'
    if (!joining.includes(index)) return undefined
    if (index === right) return '╯'
    return index === left ? '╰' : '┴'
  }
  return spread(lanes, glyphAt, left, right)
}

function forkRow(lanes: Lanes, column: number, opened: readonly number[]): GraphCell[] {
  const right = Math.max(...opened)
  const glyphAt = (index: number): string | undefined => {
    if (index === column) return '├'
    if (!opened.includes(index)) return undefined
    return index === right ? '╮' : '┬'
  }
  return spread(lanes, glyphAt, column, right)
}

/** A row in which lanes pass straight but where `glyphAt` says otherwise, with a line across from `left` to `right`. */
function spread(
  lanes: Lanes,
  glyphAt: (column: number) => string | undefined,
  left = 0,
  right = 0,
): GraphCell[] {
  const cells: GraphCell[] = []
  const across = lanes[right]?.branch
  for (let column = 0; column < lanes.length; column++) {
    const lane = lanes[column]
    const inside = column >= left && column < right
    const glyph = glyphAt(column) ?? (lane ? '│' : column > left && inside ? '─' : ' ')
    cells.push(glyph === ' ' ? EMPTY : { glyph, branch: lane?.branch ?? across })
    cells.push(inside ? { glyph: '─', branch: across } : EMPTY)
  }
  while (cells.at(-1) === EMPTY) cells.pop()
  return cells
}
