import type { ByteSink } from '../base/byte-sink.js'

/**
 * The rows of a column run by run, as Automerge writes them: a run of equal ones once, of unequal ones one by one, of none
 * by its length alone. A column that has nothing in any row is not written at all.
 */
export function writeRuns<T>(
  sink: ByteSink,
  rows: readonly (T | undefined)[],
  write: (sink: ByteSink, value: T) => void,
): void {
  if (rows.every(row => row === undefined)) return
  for (let at = 0; at < rows.length; ) {
    const value = rows[at]
    const run = endOfRun(rows, at)
    if (value === undefined) {
      sink.leb(0)
      sink.uleb(run - at)
      at = run
    } else if (run - at > 1) {
      sink.leb(run - at)
      write(sink, value)
      at = run
    } else {
      const end = endOfUnequal(rows, at)
      sink.leb(at - end)
      for (; at < end; at++) write(sink, rows[at]!)
    }
  }
}

/** Numbers as differences from the one before. */
export function writeDeltas(sink: ByteSink, rows: readonly (number | undefined)[]): void {
  let before = 0
  const deltas = rows.map(row => {
    if (row === undefined) return undefined
    const delta = row - before
    before = row
    return delta
  })
  writeRuns(sink, deltas, (to, delta) => to.leb(delta))
}

/** Runs of false and true in turn. */
export function writeFlags(sink: ByteSink, rows: readonly boolean[]): void {
  let flag = false
  for (let at = 0; at < rows.length; flag = !flag) {
    const start = at
    while (rows[at] === flag) at++
    sink.uleb(at - start)
  }
}

function endOfRun<T>(rows: readonly T[], start: number): number {
  let end = start + 1
  while (end < rows.length && rows[end] === rows[start]) end++
  return end
}

function endOfUnequal<T>(rows: readonly (T | undefined)[], start: number): number {
  let end = start + 1
  while (end < rows.length && rows[end] !== undefined && rows[end] !== rows[end + 1]) end++
  return end
}
