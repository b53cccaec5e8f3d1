import { type FaultKind, ROLLBACK } from './faults.js'
import { ACTS, PLAIN_ACTS } from './workload/acts.js'
import { WORKFLOWS } from './workload/definition.js'
import { Life } from './workload/life.js'
import { Sessions } from './workload/sessions.js'
import type { WorkerRun } from './sim-worker.js'
import { type Program, World } from './world.js'

export interface PlayOptions {
  readonly seed: number
  /** Things that happen before everything is mended. */
  readonly steps: number
  readonly faults?: readonly FaultKind[]
  readonly skip?: ReadonlySet<number>
  /** Whether tenants have rates. */
  readonly rates?: boolean
  readonly keepTrace?: boolean
}

export type PlayResult = ReturnType<typeof resultOf>

/** Two tenants with the same workflows; each worker does whatever comes to mind. */
const WORKERS = { acme: 3, bolt: 2 }
/** In one world of so many there is one tenant alone: nobody else's write mends what its own has broken. */
const ALONE_EVERY = 8
const ALONE = { acme: 4 }

/** Lets a random world run, and says what came of it. The same options give the same result. */
export async function play({ steps, ...options }: PlayOptions): Promise<PlayResult> {
  const lives = new Map<WorkerRun, Life>()
  const sessions = new Sessions()
  const acts = options.faults?.includes(ROLLBACK) ? PLAIN_ACTS : ACTS
  let isOver = false
  const program: Program = {
    begin: run => {
      const life = new Life(run, host, acts)
      lives.set(run, life)
      if (isOver) life.stop()
    },
    stop: () => {
      isOver = true
      for (const life of lives.values()) life.stop()
    },
    flush: async run => {
      for (const workflow of WORKFLOWS) await lives.get(run)!.flush(workflow)
    },
    tell: async (run, logs) => {
      for (const { at, ids } of logs)
        if (WORKFLOWS.includes(at.workflow)) await lives.get(run)!.tell(at.workflow, ids.length)
    },
  }
  const workers = options.seed % ALONE_EVERY === 0 ? ALONE : WORKERS
  const world = new World({ ...options, workers }, program)
  const host = {
    hasRates: options.rates === true,
    sessions,
    see: world.court.see,
    now_ms: () => world.scheduler.now_ms,
    tokensOf: (tenant: string) => world.issuer.ofTenant(tenant),
    note: (label: string) => world.scheduler.trace.note(world.scheduler.elapsed_ms, label),
    broke: (run: WorkerRun, act: string, error: unknown) =>
      world.court.report(
        'world',
        'CHG-5',
        `${act} of ${run.process.name} ended with what nobody expects: ${describe(error)}`,
      ),
  }
  world.observe(seen => {
    if (seen.saw !== 'removed') return
    const { tenant } = seen
    sessions.removed(tenant)
    // Who still holds what was there is where workers are whose peer was rolled back.
    for (const [run, life] of lives) if (run.tenant === tenant) life.turnTo(PLAIN_ACTS)
  })
  world.begin()
  await world.run(steps)
  const brokenAt = world.violations.length > 0 ? world.scheduler.steps : undefined
  await world.settle()
  return resultOf(world, options.seed, brokenAt)
}

function resultOf(world: World, seed: number, brokenAt: number | undefined) {
  const { scheduler, violations, faults } = world
  return {
    seed,
    steps: scheduler.steps,
    /** The step at which the first law was broken, if that was before everything was mended. */
    brokenAt,
    virtual_ms: scheduler.elapsed_ms,
    hash: scheduler.trace.digest(),
    violations,
    faults,
    trace: scheduler.trace.lines,
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
