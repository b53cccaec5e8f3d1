import { isWeftError, type LogHead, type LogRecord, type Store, WeftError, wholeLog } from '@weft/core'
import {
  borrowStore,
  carryOver,
  checkKeys,
  contextKey,
  isEncrypted,
  isSealedBy,
  type LevelStoreOptions,
  openLevelStore,
  type SalvagedContext,
  type StoreSeal,
  sealOf,
} from '@weft/store-level'
import { usage } from '../base/failure.js'
import { sha256 } from '../logs/context-copy.js'
import { appendLog, readLog } from '../logs/logs.js'
import { checkApart, makeDirectoryAside } from '../cli/aside.js'
import { openingWith } from '../cli/encryption.js'
import type { OfferSource } from './repair-offers.js'
import { type Offer, planRepair, type RepairPlan, soundBeginning } from './repair-plan.js'
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
  /** Of the store, if it is encrypted, and of the new one, which then is. */
  readonly keyFile: string | undefined
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
 * @throws WEFT_USAGE when there is something in the new one's place · WEFT_STORE_LOCKED · WEFT_STORE_CORRUPT when the result would be less than what was sealed, and that was not
 *   accepted · WEFT_STORE_KEY · WEFT_STORE_FAILED
 */
export async function repair(options: RepairOptions): Promise<RepairReport> {
  const opening = await openingWith(options.keyFile)
  await checkKeysOf(options.data, opening)
  await checkApart(options.to, options.data)
  const borrowed = await borrowStore(options.data)
  try {
    return await makeDirectoryAside(options.to, !options.dryRun, part =>
      new Repair(options, part, opening).run(borrowed.directory),
    )
  } finally {
    await borrowed.release()
  }
}

/** A context on its way: what is told of it, and the records where they may be needed again. */
interface Done {
  readonly head: LogHead | undefined
  readonly plan: Omit<RepairPlan, 'records' | 'wanting'>
  /** Of a context that is in quarantine, or may come to be. */
  readonly kept: readonly LogRecord[]
  changes: number
  outcome: Outcome
  missing: readonly number[]
  reason: string | undefined
}

class Repair {
  readonly #done = new Map<string, Done>()

  constructor(
    private readonly options: RepairOptions,
    private readonly part: string,
    private readonly opening: Pick<LevelStoreOptions, 'encryption'>,
  ) {}

  async run(from: string): Promise<RepairReport> {
    const seal = await this.#withOpen(store => this.#takeAll(store, from))
    await this.#carry(each => each.outcome === 'quarantined')
    let proven = await this.#isProven(seal)
    if (!proven && !(await this.#isExplained(seal))) {
      await this.#withOpen(open => this.#addOffered(open))
      proven = await this.#isProven(seal)
    }
    if (!proven) await this.#demoteUnproven()
    this.#checkAccepted()
    await this.#checkLoss(seal, proven)
    await this.#withOpen(open => this.#verify(open))
    return { contexts: [...this.#done].map(([context, done]) => reportOf(context, done)), proven }
  }

  async #takeAll(store: Store, from: string): Promise<StoreSeal | undefined> {
    const data = { directory: from, keyFile: this.options.keyFile }
    const { seal, deadly } = await salvageInProcess(data, context => this.#take(store, context))
    for (const key of deadly) await this.#take(store, { ...partsOf(key), head: undefined, records: [] })
    return seal
  }

  /** One context of the damaged store. */
  async #take(store: Store, salvaged: SalvagedContext): Promise<void> {
    const key = contextKey(salvaged)
    const { tenant, workflow, head } = salvaged
    let plan = planRepair(salvaged, [])
    if (plan.wanting !== undefined || !head) plan = planRepair(salvaged, await this.#offers(key))
    const isWhole = plan.wanting === undefined
    const isCut = !isWhole && this.options.accepted.has(key)
    const written = isWhole ? plan.records : isCut ? soundBeginning(plan) : []
    await appendLog(store.tenant(tenant), workflow, written)
    const changed = plan.filled.length > 0 || !head
    this.#done.set(key, {
      ...{ head, plan, reason: plan.wanting },
      kept: isCut || (isWhole && head) ? [] : plan.records,
      changes: isCut ? written.length : plan.records.length,
      outcome: isCut ? 'cut' : !isWhole ? 'quarantined' : changed ? 'filled' : 'sound',
      missing: isCut ? positionsBehind(written.length, head, plan) : plan.missing,
    })
    this.options.onProgress(`${this.#done.size} contexts: ${key}`)
  }

  async #offers(key: string): Promise<Offer[]> {
    const offers = await Promise.all(this.options.sources.map(source => source.find(key)))
    return offers.filter(offer => offer !== undefined)
  }

  async #carry(which: (done: Done) => boolean): Promise<void> {
    const carried = [...this.#done].filter(([, done]) => which(done))
    await carryOver(
      this.part,
      carried.map(([key, { head, kept }]) => ({ ...partsOf(key), head, records: kept })),
      this.opening.encryption,
    )
  }

  async #isProven(seal: StoreSeal | undefined): Promise<boolean> {
    return seal !== undefined && (await isSealedBy(this.part, seal))
  }

  async #withOpen<T>(use: (store: Store) => Promise<T>): Promise<T> {
    const store = await openLevelStore(this.part, this.opening)
    return use(store).finally(() => store.close())
  }

  /** The store has lost something without a trace: what others know of that goes on where it ends, or is not in it. */
  async #addOffered(store: Store): Promise<void> {
    for (const key of new Set(this.options.sources.flatMap(({ contexts }) => contexts))) {
      const done = this.#done.get(key)
      if (done?.outcome === 'quarantined' || done?.outcome === 'cut') continue
      const { tenant, workflow } = partsOf(key)
      const present = await readLog(store.tenant(tenant), workflow)
      const plan = planRepair({ head: undefined, records: present }, await this.#offers(key))
      if (plan.wanting !== undefined || plan.records.length === present.length) continue
      await appendLog(store.tenant(tenant), workflow, plan.records, present.length)
      const changes = plan.records.length
      const told = { plan, changes, missing: [], reason: undefined, kept: [] }
      this.#done.set(key, { head: done?.head, ...told, outcome: 'added' })
    }
  }

  /** Without its head nobody can tell whether a context is all there: it is not served on a guess. */
  async #demoteUnproven(): Promise<void> {
    const unproven = [...this.#done].filter(
      ([key, { outcome, head }]) => outcome === 'filled' && !head && !this.options.accepted.has(key),
    )
    await this.#withOpen(async store => {
      for (const [key] of unproven) await store.tenant(partsOf(key).tenant).remove(partsOf(key).workflow)
    })
    const demoted = new Set(unproven.map(([, done]) => done))
    for (const done of demoted) {
      done.outcome = 'quarantined'
      done.reason = 'its head is lost, so nobody can tell whether this is all of it'
    }
    await this.#carry(done => demoted.has(done))
  }

  /** A loss that was accepted by mistake must not be looked for in vain. @throws WEFT_USAGE */
  #checkAccepted(): void {
    const unknown = [...this.options.accepted].filter(key => key !== WHOLE_STORE && !this.#done.has(key))
    if (unknown.length > 0)
      throw usage(
        `--accept-loss names ${unknown.join(', ')}, which is not in the store`,
        'write TENANT/WORKFLOW',
      )
  }

  /** Contexts that can be named are all there is to a difference: every one of the store is there, and known to be wanting. */
  async #isExplained(seal: StoreSeal | undefined): Promise<boolean> {
    const wanting = [...this.#done].filter(([key, { outcome, head }]) => {
      return outcome === 'cut' || (!head && (outcome === 'quarantined' || this.options.accepted.has(key)))
    })
    const gone = wanting.filter(([, { outcome, changes }]) => outcome === 'cut' && changes === 0).length
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
    for (const [key, { outcome }] of this.#done) {
      if (outcome === 'quarantined') continue
      const { tenant, workflow } = partsOf(key)
      for await (const _ of wholeLog(store.tenant(tenant), workflow, sha256));
    }
  }
}

/** Damaged keys are part of what is to be repaired. @throws WEFT_STORE_KEY */
async function checkKeysOf(
  data: string,
  { encryption }: Pick<LevelStoreOptions, 'encryption'>,
): Promise<void> {
  if (!isEncrypted(data)) return
  await checkKeys(data, encryption).catch(thrown => {
    if (!isWeftError(thrown) || thrown.code !== 'WEFT_STORE_CORRUPT') throw thrown
  })
}

function partsOf(key: string): { readonly tenant: string; readonly workflow: string } {
  const [tenant, workflow] = key.split('/') as [string, string]
  return { tenant, workflow }
}

function positionsBehind(written: number, head: LogHead | undefined, { records }: RepairPlan): number[] {
  const count = Math.max(head?.count ?? 0, records.at(-1)?.position ?? 0)
  return Array.from({ length: count - written }, (_, index) => written + index + 1)
}

function reportOf(context: string, { plan, changes, outcome, missing, reason }: Done): RepairedContext {
  const { kept, filled, disagreeing } = plan
  const isCut = outcome === 'cut'
  return {
    ...{ context, outcome, changes, missing, reason, disagreeing },
    kept: isCut ? Math.min(kept, changes) : kept,
    filled: isCut ? filled.filter(position => position <= changes) : filled,
  }
}
