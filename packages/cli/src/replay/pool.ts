import { WeftError } from '@weft/core'
import type { Handoff } from '@weft/replica'
import type { Ack, Connection, FromWorker, Inspected, Inspection, Job } from './ipc.js'
import { WorkerProcess } from './processes.js'

export interface PoolEvents {
  acked(acks: readonly Ack[]): void
  /** A worker was killed in the middle of an attempt. */
  killed(agent: string, job: Job): void
  /** An attempt that a killed worker left has been taken up by another. */
  resumed(agent: string, job: Job): void
  /** It is played, and durable; the worker hands its branch back. */
  done(job: Job, handoff: Handoff): void
}

/** Attempts that one worker plays at the same time. */
const JOBS_PER_WORKER = 2

/** Workers, and the attempts they play: handed out, and handed on when a worker is killed. */
export class Pool {
  /** Each worker with the attempts it plays. */
  readonly #members = new Map<WorkerProcess, Map<number, Job>>()
  readonly #ready = new Set<WorkerProcess>()
  #queue: Job[] = []
  #open = 0
  #ended = false
  #spawned = 0
  /** Of a worker that failed before anybody waited for it. */
  #failure: WeftError | undefined
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined
  #inspections = new Map<WorkerProcess, (found: readonly Inspected[]) => void>()
  /** Who left which attempt, so that another worker takes it up. */
  readonly #leftBy = new Map<number, string>()

  constructor(
    private readonly connection: Connection,
    size: number,
    private readonly events: PoolEvents,
  ) {
    for (let i = 0; i < size; i++) this.#spawn()
  }

  get size(): number {
    return this.#members.size
  }

  /** Resolves when all jobs are done and durable. */
  play(jobs: readonly Job[]): Promise<void> {
    this.#queue = [...jobs]
    this.#open = jobs.length
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      if (this.#failure) reject(this.#failure)
      if (this.#open === 0) resolve()
      this.#handOut()
    })
  }

  /** What each worker's replicas hold of these contexts. */
  async inspect(contexts: readonly Inspection[]): Promise<readonly Inspected[][]> {
    const answers = [...this.#members.keys()].map(
      worker =>
        new Promise<Inspected[]>((resolve, reject) => {
          this.#settle = { resolve: () => {}, reject }
          this.#inspections.set(worker, found => resolve([...found]))
          worker.send({ type: 'inspect', contexts })
        }),
    )
    return Promise.all(answers)
  }

  async kill(): Promise<void> {
    this.#ended = true
    await Promise.all([...this.#members.keys()].map(worker => worker.kill()))
  }

  #spawn(): void {
    const agent = `worker-${++this.#spawned}`
    const worker = new WorkerProcess(
      agent,
      this.connection,
      (from, message) => this.#receive(from, message),
      gone => this.#lost(gone),
    )
    this.#members.set(worker, new Map())
  }

  #receive(worker: WorkerProcess, message: FromWorker): void {
    const jobs = this.#members.get(worker)
    switch (message.type) {
      case 'ready':
        this.#ready.add(worker)
        this.#handOut()
        return
      case 'acked':
        this.events.acked(message.acks)
        return
      case 'stopped-midway': {
        const job = jobs?.get(message.number)
        if (job) this.events.killed(worker.agent, job)
        void worker.kill()
        return
      }
      case 'done': {
        const job = jobs?.get(message.number)
        if (job === undefined) return
        jobs?.delete(message.number)
        this.events.done(job, message.handoff)
        if (--this.#open === 0) this.#settle?.resolve()
        this.#handOut()
        return
      }
      case 'inspected':
        this.#inspections.get(worker)?.(message.contexts)
        this.#inspections.delete(worker)
        return
      case 'failed':
        this.#fail(`${worker.agent} failed: ${message.message}`)
    }
  }

  #fail(reason: string): void {
    this.#failure = new WeftError('WEFT_INTERNAL', reason, 'see its messages above')
    this.#settle?.reject(this.#failure)
  }

  /** A worker's process is gone: what it was playing goes back to the head of the queue, and another worker comes. */
  #lost(worker: WorkerProcess): void {
    if (this.#ended) return
    const left = [...(this.#members.get(worker)?.values() ?? [])]
    this.#members.delete(worker)
    this.#ready.delete(worker)
    // Nobody but it can say what it held, and a pool that nobody is left in plays nothing.
    if (this.#inspections.has(worker) || (left.length === 0 && this.#members.size === 0))
      this.#fail(`${worker.agent} ended before it was asked to`)
    if (left.length === 0) return
    for (const job of left) {
      this.#leftBy.set(job.number, worker.agent)
      this.#queue.unshift({ ...job, stopAt: undefined })
    }
    this.#spawn()
    this.#handOut()
  }

  #handOut(): void {
    for (const worker of this.#ready) {
      const jobs = this.#members.get(worker)!
      while (jobs.size < JOBS_PER_WORKER && this.#queue.length > 0) {
        const job = this.#queue.shift()!
        jobs.set(job.number, job)
        worker.send({ type: 'job', job })
        if (this.#leftBy.has(job.number)) this.events.resumed(worker.agent, job)
      }
    }
  }
}
