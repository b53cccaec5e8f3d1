import {
  badState,
  type Change,
  type ChangeId,
  decodeChange,
  type Hash,
  isWeftError,
  type LogRecord,
  type Position,
  type Preconditions,
  StateForms,
  WeftError,
} from '@weft/core'
import type { Subscriber } from '../base/subscriber.js'
import { type StateTrial, type TrialAnswer, TrialFailed, type TrialQuestion } from './state-trial.js'

/** A change on its way into a log. */
export interface Offered {
  readonly change: Change
  readonly origin: Subscriber
  readonly preconditions: Preconditions | undefined
}

/** The log that the changes of a queue are for. */
export interface TrialLog {
  readonly tenant: string
  readonly hash: Hash
  holds(id: ChangeId): boolean
  follows(origin: Subscriber): boolean
  /** Throws why a change cannot be admitted now, whatever its state does. */
  check(offered: Offered): void
  /** @returns its position, if it is in the log for the first time now */
  admit(offered: Offered): Position | undefined
  /** Resolves when all that was admitted is on disk. */
  settled(): Promise<void>
  read(from: Position, bytes_max: number): Promise<readonly LogRecord[]>
  /** Lets others have their turn. */
  turn(): Promise<void>
}

const BATCH_CHANGES_MAX = 256
const BATCH_BYTES_MAX = 1_048_576
const BUILD_BYTES_MAX = 262_144
/** Changes that are admitted in one turn. */
const TURN_CHANGES_MAX = 256
/** A document may be let go before it is asked, for want of room, or its tenant may change lanes. */
const BUILDS_MAX = 8

let documents = 0

/**
 * The changes of one context that wait because one of them has a state to be tried: in the order in which they came, as
 * one may depend on another. What gathers while a trial runs is tried together. A context without state has an empty one.
 *
 * A change is tried when all else admits it, so that a trial is seldom in vain; a chain of new changes is tried as if its
 * beginning were admitted, until its author has shown that it may not be.
 */
export class TrialQueue {
  /** Of the state changes in the log. */
  #positions: Position[] = []
  #waiting: Offered[] = []
  #running: Promise<void> | undefined
  #kept: boolean[] = []
  /** Trials that are to be of one change each, to find the one that the thread dies of. */
  #singly = 0
  readonly #unreliable = new WeakSet<Subscriber>()
  #forms: StateForms
  #isOutdated = false
  /** What the log has come to hold without a trial. */
  #owed: Uint8Array[] = []
  readonly #doc = documents++
  #serial = 0

  constructor(
    private readonly trial: StateTrial,
    private readonly log: TrialLog,
  ) {
    this.#forms = new StateForms(log.hash)
  }

  /** Resolves when nothing waits any more; undefined while nothing does. */
  get running(): Promise<void> | undefined {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** What stands in for a state that was erased has come into the log by itself, as where a log is filled again. */
  noteStandIn(position: Position, change: Change): void {
    this.#positions.push(position)
    this.#owed.push(this.#forms.of(change).bytes.slice())
  }

  /** Something was erased in the log (ERA-1): what was tried on before is no longer what Automerge gets elsewhere. */
  reset(): void {
    this.#isOutdated = true
    // Not only with the next trial, for there may be none.
    this.#drop()
  }

  /** A state change that the log holds already, or what stands in for one. */
  noteState(position: Position): void {
    this.#positions.push(position)
  }

  add(offered: readonly Offered[]): void {
    this.#waiting.push(...offered)
    this.#running ??= this.#run()
  }

  /** Forgets what waits: its log takes nothing any more. */
  clear(): void {
    this.#waiting = []
    this.#drop()
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.#advance()
    } catch (error) {
      if (!isWeftError(error)) throw error
      this.#giveUp(error)
    } finally {
      this.#running = undefined
    }
  }

  async #advance(): Promise<void> {
    await this.#admitUntried(new Map())
    const batch = this.#nextBatch()
    if (batch.length === 0) return
    const reasons = await this.#try(batch)
    const tried = batch.slice(0, reasons.length)
    await this.#admitUntried(new Map(tried.map((offered, index) => [offered, reasons[index]])))
  }

  /** What comes next of what needs a trial. What can be told to be refused without one, before all others, is refused. */
  #nextBatch(): readonly Offered[] {
    const batch: Offered[] = []
    const ahead = new Set<ChangeId>()
    let bytes = 0
    for (const offered of this.#waiting) {
      const { change, preconditions } = offered
      // What comes behind it is tried on it, so it has to be in the log first.
      if (change.standIn !== null && batch.length > 0) break
      if (this.#needsTrial(change) && !ahead.has(change.id)) {
        const isFull = batch.length === this.#batch_max || bytes + change.bytes.length > BATCH_BYTES_MAX
        if (batch.length > 0 && (isFull || preconditions !== undefined)) break
        const error = this.#refusalOf(offered, ahead)
        if (error !== undefined) {
          if (batch.length === 0) this.#refuse(offered, error)
          break
        }
        batch.push(offered)
        bytes += change.bytes.length
        if (preconditions !== undefined) break
      }
      ahead.add(change.id)
    }
    return batch
  }

  get #batch_max(): number {
    return this.#singly > 0 ? 1 : BATCH_CHANGES_MAX
  }

  #refusalOf(offered: Offered, ahead: ReadonlySet<ChangeId>): unknown {
    try {
      this.log.check(offered)
      return undefined
    } catch (error) {
      const { change, origin } = offered
      const isNext = change.header.deps.every(dep => ahead.has(dep) || this.log.holds(dep))
      const builds = change.header.deps.some(dep => ahead.has(dep))
      return builds && isNext && !this.#unreliable.has(origin) ? undefined : error
    }
  }

  /** Admits from the front on, as far as nothing there waits for a trial. @param tried why not, of those that were tried */
  async #admitUntried(tried: ReadonlyMap<Offered, string | undefined>): Promise<void> {
    let count = 0
    for (const offered of this.#waiting) {
      if (this.#needsTrial(offered.change) && !tried.has(offered)) break
      if (count === TURN_CHANGES_MAX) {
        this.#waiting.splice(0, count)
        await this.log.turn()
        return this.#admitUntried(tried)
      }
      count++
      if (tried.has(offered)) this.#admitTried(offered, tried.get(offered))
      else if (this.log.follows(offered.origin)) this.log.admit(offered)
    }
    this.#waiting.splice(0, count)
  }

  #admitTried(offered: Offered, reason: string | undefined): void {
    const { origin } = offered
    if (reason !== undefined) {
      this.#tell(offered, this.#refusalOf(offered, NONE) ?? badState(reason))
      return
    }
    const position = this.log.follows(origin) ? this.log.admit(offered) : undefined
    this.#kept.push(position !== undefined)
    if (position === undefined) this.#unreliable.add(origin)
    else this.#positions.push(position)
  }

  #needsTrial({ id, state }: Change): boolean {
    return state !== null && !this.log.holds(id)
  }

  /** @returns why not, of each that was tried; they may be fewer than the batch */
  async #try(batch: readonly Offered[]): Promise<readonly (string | undefined)[]> {
    this.#singly = Math.max(0, this.#singly - 1)
    try {
      if (this.#isOutdated) await this.#build()
      if (this.#owed.length > 0) await this.#ask('build', this.#owed.splice(0))
      let answer = await this.#ask('try', this.#statesOf(batch))
      for (let builds = 0; answer.is === 'missing' && builds < BUILDS_MAX; builds++) {
        await this.#build()
        answer = await this.#ask('try', this.#statesOf(batch))
      }
      if (answer.is === 'tried') return answer.reasons
      throw new TrialFailed('the state of its context is too large')
    } catch (error) {
      if (!(error instanceof TrialFailed)) throw error
      if (batch.length === 1) return [`trying it came to no end: ${error.message}`]
      this.#singly = batch.length
      return []
    }
  }

  #statesOf(batch: readonly Offered[]): Uint8Array[] {
    return batch.map(({ change }) => this.#forms.of(change).bytes.slice())
  }

  /** Gives the thread all that the log holds of state. */
  async #build(): Promise<void> {
    await this.log.settled()
    this.#isOutdated = false
    this.#forms = new StateForms(this.log.hash)
    this.#owed = []
    await this.#ask('begin', [])
    for (let i = 0; i < this.#positions.length; ) {
      const from = this.#positions[i]!
      const goesOn = this.#positions[i + 1] === from + 1
      const states: Uint8Array[] = []
      const records = await this.log.read(from, goesOn ? BUILD_BYTES_MAX : 1)
      if (records.length === 0) throw notWritten(from)
      for (const { position, bytes } of records) {
        if (position !== this.#positions[i]) continue
        i++
        const change = decodeChange(bytes, this.log.hash)
        if (change.state !== null || change.standIn !== null)
          states.push(this.#forms.of(change).bytes.slice())
      }
      const { is } = await this.#ask('build', states)
      if (is === 'missing') return
    }
  }

  #ask(is: TrialQuestion['is'], states: readonly Uint8Array[]): Promise<TrialAnswer> {
    const kept = this.#kept
    this.#kept = []
    const { tenant } = this.log
    return this.trial.ask(tenant, { doc: this.#doc, serial: ++this.#serial, is, kept, states })
  }

  /** A thread that fails has let go of it, too. */
  #drop(): void {
    if (this.#serial > 0) void this.#ask('drop', []).catch(() => {})
  }

  #refuse(offered: Offered, error: unknown): void {
    this.#waiting.splice(this.#waiting.indexOf(offered), 1)
    this.#tell(offered, error)
  }

  #tell({ change, origin }: Offered, error: unknown): void {
    if (this.log.follows(origin)) origin.refused(change.id, error)
  }

  /** The log cannot be read: nothing was refused, and all may be offered again. */
  #giveUp(error: WeftError): void {
    const origins = new Set(this.#waiting.map(({ origin }) => origin))
    this.#waiting = []
    for (const origin of origins) if (this.log.follows(origin)) origin.failed(error)
  }
}

/** A write failed under it. */
function notWritten(position: Position): WeftError {
  return new WeftError(
    'WEFT_STORE_FAILED',
    `the log ends before position ${position}, which it had given to a change`,
    'connect again in a moment: what was not acknowledged is offered once more',
    { position },
  )
}

const NONE: ReadonlySet<ChangeId> = new Set()
