import { rename, rm } from 'node:fs/promises'
import { type LogRecord, type Store, WeftError, wholeLog } from '@weft/core'
import {
  borrowStore,
  carryOver,
  contextKey,
  isSealedBy,
  openLevelStore,
  type SalvagedContext,
  type StoreSeal,
  sealOf,
} from '@weft/store-level'
import { sha256 } from './context-copy.js'
import { appendLog } from './logs.js'
import { type Offer, planRepair, type RepairPlan, soundBeginning } from './repair-plan.js'
import type { OfferSource } from './repair-offers.js'
import { salvageInProcess } from './salvage-process.js'

/** What became of a context. `cut`: a loss that was accepted. */
export type Outcome = 'sound' | 'filled' | 'added' | 'cut' | 'quarantined'

export interface RepairedContext {
  readonly context: string
  readonly outcome: Outcome
  readonly changes: number
  /** Sound changes of the store that are in it, at their positions. */
  readonly kept: number
  readonly filled: readonly number[]
  /** Positions that are empty, or that were given up. */
  readonly missing: readonly number[]
  readonly reason: string | undefined
  readonly disagreeing: RepairPlan['disagreeing']
}

export interface RepairReport {
  readonly contexts: readonly RepairedContext[]
  /** The new store holds exactly what the old one had sealed, but for the gaps of what is in quarantine. */
  readonly proven: boolean
}

export interface RepairOptions {
  readonly data: string
  readonly to: string
  readonly sources: readonly OfferSource[]
  /** Keys of contexts whose losses are accepted; `store` for what is missing without a trace. */
  readonly accepted: ReadonlySet<string>
  readonly dryRun: boolean
  readonly onProgress: (text: string) => void
}

/** Stands in `--accept-loss` for what nothing names. */
export const WHOLE_STORE = 'store'

/**
 * Makes a new store of what is sound in a damaged one and of what others offer. The damaged one stays as it is.
 * @throws WEFT_STORE_LOCKED · WEFT_STORE_CORRUPT when the result would be less than what was sealed, and that was not
 *   accepted · WEFT_STORE_FAILED
 */
export async function repair(options: RepairOptions): Promise<RepairReport> {
  const part = `${options.to}.part`
  await rm(part, { recursive: true, force: true })
  const borrowed = await borrowStore(options.data)
  try {
    const report = await new Repair(options, part).run(borrowed.directory)
    if (!options.dryRun) await rename(part, options.to)
    return report
  } finally {
    await rm(part, { recursive: true, force: true })
    await borrowed.release()
  }
}

interface Done {
  readonly salvaged: SalvagedContext
  readonly plan: RepairPlan
  outcome: Outcome
  missing: readonly number[]
  reason: string | undefined
}

class Repair {
  readonly #done = new Map<string, Done>()

  constructor(
    private readonly options: RepairOptions,
    private readonly part: string,
  ) {}

  async run(from: string): Promise<RepairReport> {
    const store = await openLevelStore(this.part)
    const { seal, deadly } = await salvageInProcess(from, context => this.#take(store, context))
    for (const key of deadly) {
      const [tenant, workflow] = key.split('/') as [string, string]
      await this.#take(store, { tenant, workflow, head: undefined, records: [] })
    }
    await store.close()
    await this.#carry(each => each.outcome === 'quarantined')
    let proven = await this.#isProven(seal)
    if (!proven && !(await this.#isExplained(seal))) {
      await this.#withOpen(open => this.#addOffered(open))
      proven = await this.#isProven(seal)
    }
    if (!proven) await this.#demoteUnproven()
    await this.#checkLoss(seal, proven)
    await this.#withOpen(open => this.#verify(open))
    return { contexts: [...this.#done].map(([context, done]) => reportOf(context, done)), proven }
  }

  /** One context of the damaged store. */
  async #take(store: Store, salvaged: SalvagedContext): Promise<void> {
    const key = contextKey(salvaged)
    const { tenant, workflow } = salvaged
    let plan = planRepair(salvaged, [])
    if (plan.wanting !== undefined || !salvaged.head) plan = planRepair(salvaged, await this.#offers(key))
    const { missing, wanting } = plan
    const done: Done = { salvaged, plan, outcome: 'sound', missing, reason: wanting }
    this.#done.set(key, done)
    if (wanting === undefined) {
      done.outcome = plan.filled.length > 0 || !salvaged.head ? 'filled' : 'sound'
      await appendLog(store.tenant(tenant), workflow, plan.records)
    } else if (this.options.accepted.has(key)) {
      const beginning = soundBeginning(plan)
      done.outcome = 'cut'
      done.missing = positionsBehind(beginning, salvaged, plan)
      await appendLog(store.tenant(tenant), workflow, beginning)
    } else {
      done.outcome = 'quarantined'
    }
    this.options.onProgress(`${this.#done.size} contexts: ${key} ${done.outcome}`)
  }

  async #offers(key: string): Promise<Offer[]> {
    const offers = await Promise.all(this.options.sources.map(source => source.find(key)))
    return offers.filter(offer => offer !== undefined)
  }

  async #carry(which: (done: Done) => boolean): Promise<void> {
    const carried = [...this.#done.values()].filter(which)
    await carryOver(
      this.part,
      carried.map(({ salvaged, plan }) => ({ ...salvaged, records: plan.records })),
    )
  }

  async #isProven(seal: StoreSeal | undefined): Promise<boolean> {
    return seal !== undefined && (await isSealedBy(this.part, seal))
  }

  async #withOpen(use: (store: Store) => Promise<void>): Promise<void> {
    const store = await openLevelStore(this.part)
    await use(store).finally(() => store.close())
  }

  /** The store has lost something without a trace: what others know of that goes on where it ends, or is not in it. */
  async #addOffered(store: Store): Promise<void> {
    for (const key of new Set(this.options.sources.flatMap(({ contexts }) => contexts))) {
      const done = this.#done.get(key)
      if (done?.outcome === 'quarantined' || done?.outcome === 'cut') continue
      const [tenant, workflow] = key.split('/') as [string, string]
      const salvaged = done?.salvaged ?? { tenant, workflow, head: undefined, records: [] }
      const plan = planRepair({ head: undefined, records: done?.plan.records ?? [] }, await this.#offers(key))
      const present = done?.plan.records.length ?? 0
      if (plan.wanting !== undefined || plan.records.length === present) continue
      await appendLog(store.tenant(tenant), workflow, plan.records, present)
      this.#done.set(key, { salvaged, plan, outcome: 'added', missing: [], reason: undefined })
    }
  }

  /** Without its head nobody can tell whether a context is all there: it is not served on a guess. */
  async #demoteUnproven(): Promise<void> {
    const unproven = [...this.#done].filter(
      ([key, { outcome, salvaged }]) =>
        outcome === 'filled' && !salvaged.head && !this.options.accepted.has(key),
    )
    await this.#withOpen(async store => {
      for (const [, { salvaged }] of unproven) await store.tenant(salvaged.tenant).remove(salvaged.workflow)
    })
    const demoted = new Set(unproven.map(([, done]) => done))
    for (const done of demoted) {
      done.outcome = 'quarantined'
      done.reason = 'its head is lost, so nobody can tell whether this is all of it'
    }
    await this.#carry(done => demoted.has(done))
  }

  /** Contexts that can be named are all there is to a difference: every one of the store is there, and known to be wanting. */
  async #isExplained(seal: StoreSeal | undefined): Promise<boolean> {
    const wanting = [...this.#done].filter(([key, { outcome, salvaged }]) => {
      return (
        outcome === 'cut' || (!salvaged.head && (outcome === 'quarantined' || this.options.accepted.has(key)))
      )
    })
    const gone = wanting.filter(([, { outcome, missing }]) => outcome === 'cut' && missing[0] === 1).length
    const found = await sealOf(this.part)
    return wanting.length > 0 && seal?.contexts === (found?.contexts ?? 0) + gone
  }

  /** @throws WEFT_STORE_CORRUPT */
  async #checkLoss(seal: StoreSeal | undefined, proven: boolean): Promise<void> {
    if (proven || this.options.accepted.has(WHOLE_STORE) || (await this.#isExplained(seal))) return
    const found = await sealOf(this.part)
    throw new WeftError(
      'WEFT_STORE_CORRUPT',
      seal === undefined
        ? 'what the store had sealed is lost, so nobody can tell what is missing'
        : `what can be saved is not all that was sealed: ${found?.contexts} contexts of ${seal.contexts}, or older states of them`,
      `add --from with a backup, an export or a peer that has it; or accept it with --accept-loss ${WHOLE_STORE}: replicas ` +
        'bring back what they hold',
      { directory: this.options.data },
    )
  }

  /** What was written reads back as it was sealed. @throws WEFT_STORE_CORRUPT */
  async #verify(store: Store): Promise<void> {
    for (const { salvaged, outcome } of this.#done.values()) {
      if (outcome === 'quarantined') continue
      for await (const _ of wholeLog(store.tenant(salvaged.tenant), salvaged.workflow, sha256));
    }
  }
}

function positionsBehind(
  beginning: readonly LogRecord[],
  { head }: SalvagedContext,
  { records }: RepairPlan,
): number[] {
  const count = Math.max(head?.count ?? 0, records.at(-1)?.position ?? 0)
  return Array.from({ length: count - beginning.length }, (_, index) => beginning.length + index + 1)
}

function reportOf(context: string, { plan, outcome, missing, reason }: Done): RepairedContext {
  const { kept, filled, disagreeing, records } = plan
  const last = outcome === 'cut' ? (missing[0] ?? records.length + 1) - 1 : records.length
  return {
    ...{ context, outcome, missing, reason, disagreeing },
    changes: last,
    kept: outcome === 'cut' ? Math.min(kept, last) : kept,
    filled: filled.filter(position => outcome !== 'cut' || position <= last),
  }
}
