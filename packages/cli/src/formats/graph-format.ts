import type { Colour, Paint } from '../base/colour.js'
import { clip, countKinds, plural, shortId } from '../base/text.js'
import { type GraphCell, layoutGraph } from './graph-layout.js'
import type { Run } from './graph-runs.js'

const LANE_COLOURS: readonly Colour[] = ['cyan', 'yellow', 'green', 'magenta', 'blue', 'red']

/** The graph as lines for a terminal of so many columns. */
export function formatGraph(runs: readonly Run[], paint: Paint, columns = 160): string[] {
  const byId = new Map(runs.map(run => [run.id, run]))
  const branches = [...new Set(runs.map(run => run.branch))]
  const colourOf = (branch: string): Colour => LANE_COLOURS[branches.indexOf(branch) % LANE_COLOURS.length]!
  const cellText = ({ glyph, branch }: GraphCell): string =>
    branch === undefined ? glyph : paint(colourOf(branch), glyph)
  const rows = layoutGraph(runs)
  return rows.map(({ cells, node }) => {
    const lanes = cells.map(cellText).join('')
    const run = node === undefined ? undefined : byId.get(node)
    if (run === undefined) return lanes
    const [name, rest] = describeRun(run)
    const room = Math.max(20, columns - cells.length - 2 - name.length - 2)
    return `${lanes}  ${paint(colourOf(run.branch), name)}  ${clip(rest, room)}`
  })
}

/** The branch of a run, and what is to be said of it. */
export function describeRun(run: Run): [string, string] {
  const [first, last] = run.positions
  const position = first === undefined ? '' : first === last ? `@${first}` : `@${first}–${last ?? '?'}`
  const written = run.kinds.length > 0 ? `${plural(run.kinds.length, 'entry')}: ${countKinds(run.kinds)}` : ''
  const said = [
    position,
    shortId(run.id),
    run.changes > 1 ? plural(run.changes, 'change') : '',
    run.forks.length > 0 ? `forks ${run.forks.join(', ')}` : '',
    run.merges.length > 0 ? `merges ${run.merges.join(', ')}` : '',
    run.abandons.length > 0 ? `abandons ${run.abandons.join(', ')}` : '',
    written,
    `by ${run.agents.join(', ')}`,
  ]
  return [run.branch, said.filter(text => text !== '').join(' · ')]
}
