import {
  ANY_CONTEXT,
  type ContextDefinition,
  type EntrySchemas,
  isEngineWorkflow,
  isWeftError,
} from '@weft/core'
import type { Context, OpenOptions, Replica } from '@weft/replica'
import type { Violation } from './checker.js'
import { markIn } from './credentials.js'
import type { Dice } from './dice.js'
import { DurableLogs } from './durable-logs.js'
import type { Fault, FaultKind } from './faults.js'
import { type Observation, placeOf } from './observation.js'
import type { WorkerRun } from './sim-worker.js'
import { checkSimulateOptions } from './simulate-options.js'
import { Watched } from './watched.js'
import { type Program, World } from './world.js'

/** A worker of a simulation, from its start to its crash. Whatever it waits for has to come from here. */
export interface SimulatedWorker {
  /** From 0; the same after a crash. */
  readonly index: number
  /** How often it has been begun before: by a crash, or by an error of Weft that the workflow did not handle. */
  readonly attempt: number
  readonly replica: Replica
  /** Rolls that the seed decides. */
  readonly dice: Dice
  /** In virtual time. */
  sleep(ms: number): Promise<void>
  /** As `Replica.open`; what the context holds, and says of itself, is watched from then on. */
  open<State, Entries extends EntrySchemas>(
    definition: ContextDefinition<State, Entries>,
    options: OpenOptions,
  ): Promise<Context<State, Entries>>
}

/** What runs on every worker, from its beginning again after each crash of it, until it has come to its end there. */
export type Workflow = (worker: SimulatedWorker) => Promise<void>

export interface SimulateOptions {
  /** The same seed makes the same run. */
  readonly seed: number
  /** Default 3. */
  readonly workers?: number
  /** Default: crashes, power cuts, partitions and slow networks; `FAULTS` are all there are. */
  readonly faults?: readonly FaultKind[]
  /** About so far are two faults apart, in virtual time. Default 60. */
  readonly faultEvery_ms?: number
  /** Runs on one worker that remembers nothing, when all workers are done and every fault is mended. */
  readonly finally?: Workflow
  /** How much may happen until all workers are done. Default 50,000. */
  readonly steps_max?: number
}

export interface SimulationRun {
  readonly seed: number
  readonly steps: number
  /** Of all that happened: equal for equal seeds. */
  readonly hash: string
  readonly faults: readonly Fault[]
  readonly violations: readonly Violation[]
}

export const USUAL_FAULTS: readonly FaultKind[] = [
  'crash-worker',
  'crash-peer',
  'power-cut',
  'partition',
  'half-partition',
  'clog',
  'swizzle',
  'cut',
  'freeze-worker',
  'skew',
]

const TENANT = 'simulated'
const STEPS_MAX = 50_000
const AGAIN_MS = 20

/**
 * Runs a workflow on simulated workers, under faults, in one thread and in virtual time: the production code of
 * replicas, peer and store. The laws are checked as it goes; the matchers of `@weft/testkit/vitest` ask what came of them.
 * @throws what the workflow throws that is no error of Weft, and when it does not come to an end; its message names the seed.
 *   WEFT_USAGE for options that mean nothing
 */
export async function simulate(workflow: Workflow, options: SimulateOptions): Promise<SimulationRun> {
  checkSimulateOptions(workflow, options)
  const { seed, workers = 3, faults = USUAL_FAULTS, faultEvery_ms, steps_max = STEPS_MAX } = options
  const job = new Job(workflow)
  const world = new World(
    { seed, faults, workers: { [TENANT]: workers }, ...(faultEvery_ms !== undefined && { faultEvery_ms }) },
    job.program,
  )
  job.see = observation => world.court.see(observation)
  world.observe(observation => job.logs.see(observation))
  world.begin()
  await world.run(steps_max, () => job.failure !== undefined || job.done.size === workers)
  if (job.failure) throw failed(seed, job.failure.error)
  if (world.violations.length === 0 && job.done.size < workers) throw endless(seed, steps_max)
  await world.settle()
  if (options.finally && world.violations.length === 0)
    await world.last(run => job.runOnce(run, options.finally!))
  const { scheduler, violations } = world
  return { seed, steps: scheduler.steps, hash: scheduler.trace.digest(), faults: world.faults, violations }
}

/** A workflow on all of its workers. */
class Job {
  readonly logs = new DurableLogs()
  /** Hosts on which it has come to its end. */
  readonly done = new Set<string>()
  failure: { readonly error: unknown } | undefined
  see: (observation: Observation) => void = () => {}
  readonly #opened = new Map<WorkerRun, Map<string, Watched>>()
  readonly program: Program = {
    begin: run => void this.#begin(run, run.attempt),
    stop: () => {},
    flush: async run => {
      for (const workflow of this.#openedOn(run).keys()) await this.#open(run, workflow)
      await run.replica.flush({ timeout_ms: FLUSH_MS })
    },
    tell: async (run, logs) => {
      for (const { at, ids } of logs) {
        if (isEngineWorkflow(at.workflow)) continue
        await this.#open(run, at.workflow)
        await this.#openedOn(run).get(at.workflow)!.tell(ids.length, run.process)
      }
    },
  }

  constructor(private readonly workflow: Workflow) {}

  /** Whatever a context was defined as; also again, after the peer has failed it. */
  async #open(run: WorkerRun, workflow: string): Promise<void> {
    const options = { workflow, agent: run.host, timeout_ms: FLUSH_MS }
    const context = await run.replica.open(ANY_CONTEXT, options)
    this.#watch(run, context as unknown as Context<unknown, EntrySchemas>, options)
  }

  runOnce(run: WorkerRun, workflow: Workflow): Promise<void> {
    return workflow(this.#workerOf(run, run.attempt))
  }

  async #begin(run: WorkerRun, attempt: number): Promise<void> {
    if (this.done.has(run.host)) return
    try {
      await this.workflow(this.#workerOf(run, attempt))
      this.done.add(run.host)
    } catch (error) {
      if (!isOfWeft(error)) {
        this.failure = { error }
        return
      }
      await run.process.sleep(AGAIN_MS)
      await this.#begin(run, attempt + 1)
    }
  }

  #workerOf(run: WorkerRun, attempt: number): SimulatedWorker {
    const { replica, process } = run
    return {
      index: Number(run.host.slice(run.host.lastIndexOf('-') + 1)) - 1,
      attempt,
      replica,
      dice: process.dice.apart(`workflow ${attempt}`),
      sleep: ms => process.sleep(ms),
      open: async (definition, options) => {
        const context = await replica.open(definition, options)
        this.#watch(run, context as unknown as Context<unknown, EntrySchemas>, options)
        return context
      },
    }
  }

  #watch(run: WorkerRun, context: Context<unknown, EntrySchemas>, { workflow, after }: OpenOptions): void {
    const { tenant, host, process } = run
    const at = placeOf(tenant, workflow)
    const opened = this.#openedOn(run)
    const first = opened.get(workflow)
    const watched = new Watched(context, at, process.name, this.see, first === undefined)
    if (first === undefined) opened.set(workflow, watched)
    if (after === undefined) return
    const known = this.logs.upTo(at, markIn(after).position)
    const shown = new Set(context.changes().map(({ id }) => id))
    this.see({ saw: 'session', at, session: host, known, shown })
  }

  #openedOn(run: WorkerRun): Map<string, Watched> {
    let opened = this.#opened.get(run)
    if (opened === undefined) {
      opened = new Map()
      this.#opened.set(run, opened)
    }
    return opened
  }
}

const FLUSH_MS = 20_000

/** What a fault may bring about, however the workflow is written. */
function isOfWeft(error: unknown): boolean {
  const errors = error instanceof AggregateError ? error.errors : [error]
  return errors.every(each => isWeftError(each) && each.code !== 'WEFT_INTERNAL')
}

function failed(seed: number, error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error)
  return new Error(`the workflow failed under seed ${seed}: ${reason}`, { cause: error })
}

function endless(seed: number, steps_max: number): Error {
  return new Error(
    `the workflow did not come to its end within ${steps_max} steps under seed ${seed}: ` +
      'let it wait for nothing but the worker that it is given (`sleep`, `open`, the contexts), and give it a bound',
  )
}
