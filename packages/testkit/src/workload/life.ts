import { isWeftError, type Position, WeftError } from '@weft/core'
import type { Receipt, WaitOptions } from '@weft/replica'
import type { IssuedToken } from '../credentials.js'
import type { Dice } from '../dice.js'
import { type Observation, type Place, placeOf } from '../observation.js'
import type { WorkerRun } from '../sim-worker.js'
import { Watched } from '../watched.js'
import { Play, type PlayContext } from './definition.js'
import type { Sessions } from './sessions.js'

export interface LifeHost {
  readonly sessions: Sessions
  readonly see: (observation: Observation) => void
  /** Something came of an act that no caller should have to expect. */
  readonly broke: (run: WorkerRun, act: string, error: unknown) => void
  /** Whether tenants may write only so fast. */
  readonly hasRates: boolean
  readonly note: (label: string) => void
  readonly now_ms: () => number
  /** What the workers of a tenant connect with. */
  readonly tokensOf: (tenant: string) => readonly IssuedToken[]
}

const GAP_MS = { least: 1, most: 30 }
const OUTSTANDING_MAX = 10
const TIMEOUT_MS = 400
/** A proposal is not offered again in the last second of its caller's time. */
const PATIENT_MS = 4_000

interface Opened {
  readonly context: PlayContext
  readonly watched: Watched
}

/** One thing that a worker does, of many; several go on at once. */
export interface Act {
  readonly name: string
  /** How often it is done, relative to the others. */
  readonly weight: number
  run(life: Life): Promise<void>
}

/** What one run of a worker does with its time: random acts on random branches, several at once. */
export class Life {
  readonly dice: Dice
  readonly #open = new Map<string, Promise<Opened>>()
  readonly #watchedWorkflows = new Set<string>()
  #acts: readonly Act[]
  #outstanding = 0
  #isOver = false

  constructor(
    readonly run: WorkerRun,
    readonly host: LifeHost,
    acts: readonly Act[],
  ) {
    this.dice = run.process.dice.apart('life')
    this.#acts = acts
    this.#actLater()
  }

  get tenant(): string {
    return this.run.tenant
  }

  at(workflow: string): Place {
    return placeOf(this.run.tenant, workflow)
  }

  get wait(): WaitOptions & { readonly timeout_ms: number } {
    return { timeout_ms: TIMEOUT_MS }
  }

  /** How long it waits for what may be refused for the rate: until it is offered again, or for one answer. */
  get patience(): WaitOptions & { readonly timeout_ms: number } {
    return this.host.hasRates && this.dice.chance(0.5) ? { timeout_ms: PATIENT_MS } : this.wait
  }

  /** How often all that its tenant has was removed. */
  get era(): number {
    return this.host.sessions.era(this.tenant)
  }

  /** Does other things from now on. */
  turnTo(acts: readonly Act[]): void {
    this.#acts = acts
  }

  /** Begins nothing any more. */
  stop(): void {
    this.#isOver = true
  }

  /** A handle on a branch, opened at its first use; all of a context's handles are kept, as a worker's memory. */
  async on(workflow: string, branch = 'main'): Promise<Opened> {
    const key = `${workflow} ${branch}`
    const known = this.#open.get(key)
    if (known) return known
    const opening = this.#openNow(workflow, branch)
    this.#open.set(key, opening)
    opening.catch(() => this.#open.delete(key))
    return opening
  }

  /** Opens a handle of its own under a session's token. */
  openAfter(workflow: string, after: string): Promise<PlayContext> {
    const { replica, host } = this.run
    return replica.open(Play, { workflow, agent: host, after, ...this.wait })
  }

  /** Somebody was told by a promise that a change is committed. */
  acked(workflow: string, id: string | undefined, position: Position): void {
    const { process } = this.run
    if (id !== undefined)
      this.host.see({ saw: 'acked', at: this.at(workflow), process: process.name, id, position })
  }

  /** Listens for what becomes of a write; nobody waits for it, least of all who is cut off. */
  wrote(workflow: string, { change, committed }: Receipt): void {
    committed.then(
      position => this.acked(workflow, change, position),
      error => this.#failed('write', error),
    )
  }

  /** Waits for what is under way, then until everything written here is durable; the peer may have failed the context. */
  async flush(workflow: string): Promise<void> {
    const { replica, host, process } = this.run
    while (this.#outstanding > 0) await process.sleep(POLL_MS)
    const context = await replica.open(Play, { workflow, agent: host, timeout_ms: FINISH_MS })
    await context.flush({ timeout_ms: FINISH_MS })
  }

  /** Says what is held here of a context, when its log is known up to a position. */
  async tell(workflow: string, position: Position): Promise<void> {
    const { watched } = await this.on(workflow)
    await watched.tell(position, this.run.process)
  }

  async #openNow(workflow: string, branch: string): Promise<Opened> {
    const { replica, host, process } = this.run
    const context = (await replica.open(Play, { workflow, agent: host, branch, ...this.wait })) as PlayContext
    const first = !this.#watchedWorkflows.has(workflow)
    this.#watchedWorkflows.add(workflow)
    const watched = new Watched(context, this.at(workflow), process.name, this.host.see, first)
    return { context, watched }
  }

  #actLater(): void {
    const { process } = this.run
    process.clock.after(this.dice.between(GAP_MS.least, GAP_MS.most), () => {
      if (this.#isOver) return
      if (this.#outstanding < OUTSTANDING_MAX) void this.#do(this.#pick())
      this.#actLater()
    })
  }

  #pick(): Act {
    let roll = this.dice.below(this.#acts.reduce((sum, { weight }) => sum + weight, 0))
    for (const act of this.#acts) {
      roll -= act.weight
      if (roll < 0) return act
    }
    throw new WeftError('WEFT_INTERNAL', 'the weights do not add up', 'report it')
  }

  async #do(act: Act): Promise<void> {
    this.#outstanding++
    try {
      await act.run(this)
      this.host.note(`${this.run.process.name} ${act.name}`)
    } catch (error) {
      this.#failed(act.name, error)
    } finally {
      this.#outstanding--
    }
  }

  #failed(name: string, error: unknown): void {
    for (const each of error instanceof AggregateError ? error.errors : [error]) {
      const isExpected = isWeftError(each) && each.code !== 'WEFT_INTERNAL'
      this.host.note(`${this.run.process.name} ${name}: ${isExpected ? each.code : String(each)}`)
      if (!isExpected) this.host.broke(this.run, name, each)
      // The peer has failed a context: it is served again when it is opened again.
      else if (each.code === 'WEFT_STORE_CORRUPT') this.#open.clear()
    }
  }
}

const FINISH_MS = 20_000
const POLL_MS = 5
