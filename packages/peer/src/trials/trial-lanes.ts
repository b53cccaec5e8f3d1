import type { Clock } from '@weft/core'
import type { StateTrial, TrialAnswer, TrialQuestion } from './state-trial.js'
import { type TrialBounds, TrialThread } from './trial-thread.js'

interface Job {
  readonly tenant: string
  readonly question: TrialQuestion
  readonly resolve: (answer: TrialAnswer) => void
  readonly reject: (error: unknown) => void
}

/** An answer that took longer sends its tenant to the slow lane, for as long as `SLOW_FOR_MS`. */
const SLOW_MS = 100
const SLOW_FOR_MS = 60_000

/**
 * Two threads that try: one for all, and one for tenants whose trials took long of late, so that these wait for each
 * other. In each the tenants take turns, with one question a turn.
 */
export class TrialLanes implements StateTrial {
  readonly #quick: Lane
  readonly #slow: Lane
  readonly #slowUntil = new Map<string, number>()

  constructor(
    bounds: TrialBounds,
    private readonly clock: Pick<Clock, 'steady'>,
  ) {
    const took = (tenant: string, ms: number): void => {
      if (ms > SLOW_MS) this.#slowUntil.set(tenant, clock.steady() + SLOW_FOR_MS)
    }
    this.#quick = new Lane(new TrialThread(bounds), took)
    this.#slow = new Lane(new TrialThread(bounds), took)
  }

  ask(tenant: string, question: TrialQuestion): Promise<TrialAnswer> {
    if (question.is === 'drop') return this.#drop(tenant, question)
    const until = this.#slowUntil.get(tenant) ?? 0
    const isSlow = until > this.clock.steady()
    if (!isSlow) this.#slowUntil.delete(tenant)
    const lane = isSlow ? this.#slow : this.#quick
    return lane.ask(tenant, question)
  }

  /** In both: its tenant may have changed lanes, and a document has stayed behind. */
  async #drop(tenant: string, question: TrialQuestion): Promise<TrialAnswer> {
    await Promise.all([this.#quick, this.#slow].map(lane => lane.drop(tenant, question)))
    return { is: 'missing' }
  }

  /** Resolves when the thread for all has begun: the first change would wait for it, and what follows that in its context. */
  async ready(): Promise<void> {
    const question = { doc: NO_DOC, serial: 0, is: 'begin', kept: [], states: [] } as const
    await this.ask('', question).catch(() => {})
  }

  async close(): Promise<void> {
    await Promise.all([this.#quick.close(), this.#slow.close()])
  }
}

const NO_DOC = -1

const shared = new Map<string, TrialLanes>()

/** Peers of one process share their threads, which go on as long as it does and do not keep it from ending. */
export function sharedLanes(bounds: TrialBounds, clock: Pick<Clock, 'steady'>): TrialLanes {
  const key = Object.values(bounds).join()
  const known = shared.get(key) ?? new TrialLanes(bounds, clock)
  shared.set(key, known)
  return known
}

class Lane {
  /** By tenant, in the order of their turns. */
  readonly #waiting = new Map<string, Job[]>()
  #busy = false

  constructor(
    private readonly thread: TrialThread,
    private readonly took: (tenant: string, ms: number) => void,
  ) {}

  ask(tenant: string, question: TrialQuestion): Promise<TrialAnswer> {
    return new Promise((resolve, reject) => this.#add({ tenant, question, resolve, reject }))
  }

  /** A thread that is not there holds nothing. */
  async drop(tenant: string, question: TrialQuestion): Promise<void> {
    if (this.thread.isBegun) await this.ask(tenant, question)
  }

  #add(job: Job): void {
    const jobs = this.#waiting.get(job.tenant)
    if (jobs) jobs.push(job)
    else this.#waiting.set(job.tenant, [job])
    if (!this.#busy) void this.#run()
  }

  close(): Promise<void> {
    return this.thread.close()
  }

  async #run(): Promise<void> {
    this.#busy = true
    for (let job = this.#next(); job !== undefined; job = this.#next()) await this.#ask(job)
    this.#busy = false
  }

  #next(): Job | undefined {
    for (const [tenant, jobs] of this.#waiting) {
      this.#waiting.delete(tenant)
      const job = jobs.shift()
      if (jobs.length > 0) this.#waiting.set(tenant, jobs)
      return job
    }
    return undefined
  }

  async #ask({ tenant, question, resolve, reject }: Job): Promise<void> {
    const { isReady } = this.thread
    const began = performance.now()
    try {
      resolve(await this.thread.ask(question))
    } catch (error) {
      reject(error)
    }
    // What a thread takes to begin says nothing of whom it was begun for.
    if (isReady) this.took(tenant, performance.now() - began)
  }
}
