import { Worker } from 'node:worker_threads'
import { reasonOf } from '@weft/core'
import { afterAwake } from '../base/awake.js'
import { type TrialAnswer, TrialFailed, type TrialQuestion } from './state-trial.js'

export interface TrialBounds {
  /** From a question to its answer, while this process is awake. */
  readonly answer_ms: number
  /** Documents kept, by the bytes of their changes. */
  readonly documents_bytes_max: number
  /** What Automerge may hold before the thread is begun anew. */
  readonly memory_bytes_max: number
}

/** What the thread tells. */
export interface FromTrial {
  readonly answer: TrialAnswer
  /** It holds too much memory to be asked again. */
  readonly isLast: boolean
}

interface Asked {
  readonly resolve: (answer: TrialAnswer) => void
  readonly reject: (error: TrialFailed) => void
  /** Ends the wait for it. */
  readonly stop: () => void
}

/** As it lies beside the bundle that this is in. */
const ENTRY = new URL('./trial-worker.js', import.meta.url)
const HEAP_MB_MAX = 256
/** To load Automerge, and build the first document. */
const START_MS = 30_000

/** A thread that answers one question at a time. Begun when it is first asked, and begun anew after it has died. */
export class TrialThread {
  #worker: Worker | undefined
  #hasTried = false
  #asked: Asked | undefined

  constructor(private readonly bounds: TrialBounds) {}

  get isBegun(): boolean {
    return this.#worker !== undefined
  }

  /** Whether it is there already, and need not be begun. */
  get isReady(): boolean {
    return this.#worker !== undefined && this.#hasTried
  }

  /** Not to be called before the last answer is here. @throws TrialFailed */
  ask(question: TrialQuestion): Promise<TrialAnswer> {
    this.#worker ??= this.#begin()
    const worker = this.#worker
    return new Promise((resolve, reject) => {
      const { answer_ms } = this.bounds
      const stop = afterAwake(answer_ms + (this.#hasTried ? 0 : START_MS), () => {
        void this.#letGo(worker, `it took longer than ${answer_ms} ms`)
      })
      this.#asked = { resolve, reject, stop }
      // It holds the process while it is asked something, and no longer.
      worker.ref()
      worker.postMessage(question)
    })
  }

  /** What it was asked fails. Resolves when the thread is no more. */
  async close(): Promise<void> {
    if (this.#worker) await this.#letGo(this.#worker, 'its thread was closed')
  }

  #begin(): Worker {
    this.#hasTried = false
    const worker = new Worker(ENTRY, {
      workerData: this.bounds,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    })
    worker.on('message', (told: FromTrial) => this.#answered(worker, told))
    worker.on('error', error => this.#forget(worker, reasonOf(error)))
    worker.on('exit', () => this.#forget(worker, 'its thread ended'))
    return worker
  }

  #answered(worker: Worker, { answer, isLast }: FromTrial): void {
    // An answer of one that was let go came too late; and `unref` would have the process end before the thread has.
    if (worker !== this.#worker) return
    this.#hasTried ||= answer.is === 'tried'
    const asked = this.#asked
    this.#asked = undefined
    worker.unref()
    if (isLast) void this.#letGo(worker, 'it holds too much memory')
    asked?.stop()
    asked?.resolve(answer)
  }

  async #letGo(worker: Worker, reason: string): Promise<void> {
    this.#forget(worker, reason)
    await worker.terminate()
  }

  #forget(worker: Worker, reason: string): void {
    // One that was let go is asked nothing; what is asked now is asked of another.
    if (worker !== this.#worker) return
    this.#worker = undefined
    const asked = this.#asked
    this.#asked = undefined
    asked?.stop()
    asked?.reject(new TrialFailed(reason))
  }
}
