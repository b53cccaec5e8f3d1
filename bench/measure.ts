import { getHeapSnapshot, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options: { readonly type: 'minor' | 'major' }) => void

/** Twice: what the first finds unreachable may have held something that only the second finds. */
export function collectAll(): void {
  collect({ type: 'major' })
  collect({ type: 'major' })
}

/**
 * Bytes that anything still refers to, of the heap and of the buffers beside it. Taking a snapshot collects what a
 * usual collection leaves for later; optimized code goes too, so this is not for a process that is timed.
 */
export function heldBytes(): number {
  getHeapSnapshot().destroy()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

export interface Timed<T> {
  readonly ms: number
  /** Of all threads, those that compile and collect among them. */
  readonly cpu_ms: number
  readonly made: T
}

/**
 * Milliseconds that `work` takes, and what it made. Young garbage of what came before is collected first; all of it
 * would be too much: a full collection also drops optimized code, which no system is meant to be measured without.
 */
export function timed<T>(work: () => T): Timed<T> {
  collect({ type: 'minor' })
  const cpuBefore = process.cpuUsage()
  const started = performance.now()
  const made = work()
  const ms = performance.now() - started
  const { user, system } = process.cpuUsage(cpuBefore)
  return { ms, cpu_ms: (user + system) / 1_000, made }
}

/** The value below which a share of the samples lies: 0.5 is the median. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = Math.min(sorted.length - 1, Math.floor(sorted.length * share))
  return sorted[at] ?? Number.NaN
}

/** Samples by row and column, gathered over rounds. */
export class Samples {
  readonly #lists = new Map<string, number[]>()

  add(row: string, column: string, value: number): void {
    const key = `${row}\n${column}`
    const list = this.#lists.get(key)
    if (list) list.push(value)
    else this.#lists.set(key, [value])
  }

  /** Forgets everything: what came so far was to warm up. */
  clear(): void {
    this.#lists.clear()
  }

  /** Undefined when there are no samples. */
  median(row: string, column: string): number | undefined {
    const list = this.#lists.get(`${row}\n${column}`)
    return list && quantile(list, 0.5)
  }
}
