const SLICES = 10

/**
 * Calls back after so much time in which this process was awake, in slices: of one that passed while it was stopped, or did
 * one thing only, no more counts than the slice. A timer would be over then, before the answer that it is for is read.
 * Keeps no process from ending. @returns what cancels it
 */
export function afterAwake(ms: number, fn: () => void): () => void {
  const slice_ms = Math.ceil(ms / SLICES)
  let left_ms = ms
  let timer: NodeJS.Timeout
  const goOn = (): void => {
    if (left_ms <= 0) {
      fn()
      return
    }
    timer = setTimeout(goOn, Math.min(slice_ms, left_ms)).unref()
    left_ms -= slice_ms
  }
  goOn()
  return () => clearTimeout(timer)
}
