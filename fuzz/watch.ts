import { openSync, readSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

const TICK_MS = 2
export const STALL_MS_MAX = 50

/**
 * How long the loop of this thread stood still because it was busy: what it spent on a processor between two ticks. What it
 * waited for one, because others had it, is no doing of the code; that is told apart, beside the same of an idle thread.
 */
export class Watch {
  /** The longest that the loop was busy, and the longest that it stood still for whatever reason. */
  longest_ms = 0
  longestWall_ms = 0
  #last = performance.now()
  #lastCpu_ms = cpu_ms()
  #window_ms = 0
  #windowWall_ms = 0
  readonly #timer = setInterval(() => this.#tick(), TICK_MS)
  readonly #idle = new Worker(IDLE, { eval: true })
  readonly #idleLongest = new Float64Array(new SharedArrayBuffer(8))

  constructor() {
    this.#idle.unref()
    this.#timer.unref()
    this.#idle.postMessage(this.#idleLongest)
  }

  /** Of the thread that does nothing: what the machine itself makes of it. */
  get idleLongest_ms(): number {
    return this.#idleLongest[0]!
  }

  /** What `act` resolves with, and the longest that the loop was busy meanwhile. */
  async during<T>(act: () => Promise<T>): Promise<{ value: T; stall_ms: number }> {
    this.#tick()
    this.#window_ms = 0
    this.#windowWall_ms = 0
    const value = await act()
    this.#tick()
    this.longestWall_ms = Math.max(this.longestWall_ms, this.#windowWall_ms)
    this.longest_ms = Math.max(this.longest_ms, this.#window_ms)
    return { value, stall_ms: this.#window_ms }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#idle.terminate()
  }

  #tick(): void {
    const now = performance.now()
    const cpu = cpu_ms()
    const gap = now - this.#last - TICK_MS
    this.#windowWall_ms = Math.max(this.#windowWall_ms, gap)
    this.#window_ms = Math.max(this.#window_ms, Math.min(gap, cpu - this.#lastCpu_ms))
    this.#last = now
    this.#lastCpu_ms = cpu
  }
}

const text = Buffer.alloc(64)
const schedstat = openSchedstat()

/** What the main thread has spent on a processor; where the system does not tell, the time. */
function cpu_ms(): number {
  if (schedstat === undefined) return performance.now()
  const length = readSync(schedstat, text, 0, text.length, 0)
  return Number.parseInt(text.toString('latin1', 0, length), 10) / 1e6
}

function openSchedstat(): number | undefined {
  try {
    return openSync(`/proc/self/task/${process.pid}/schedstat`, 'r')
  } catch {
    return undefined
  }
}

const IDLE = `
  require('node:worker_threads').parentPort.once('message', longest => {
    let last = performance.now()
    setInterval(() => {
      const now = performance.now()
      longest[0] = Math.max(longest[0], now - last - ${TICK_MS})
      last = now
    }, ${TICK_MS})
  })
`
