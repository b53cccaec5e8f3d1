import {
  type Change,
  type ChangeGate,
  isEngineBranch,
  isEngineWorkflow,
  type Position,
  type TenantId,
  type TenantUsage,
  WeftError,
  type WorkflowId,
} from '@weft/core'

/** What a tenant may store and write. What is above it already stays, and is read; nothing more is taken. */
export interface TenantQuota {
  /** Of all changes in its logs together. */
  readonly bytes_max: number
  /** That have a change; the engine's own do not count. */
  readonly contexts_max: number
  /** A second of it may come at once. */
  readonly changes_per_second_max: number
}

/**
 * Beyond the quota, or what was there when the peer began to count if that is more, for what ends work and adds none:
 * contexts that are completed, content that is erased, events that are acknowledged. Without it a tenant that is at its
 * end could not make room.
 */
export const HOUSEKEEPING_RESERVE_BYTES = 1_048_576

/** As much again for the engine's own workflows alone: what is withdrawn and revoked must be written also then. */
export const ENGINE_RESERVE_BYTES = 2 * HOUSEKEEPING_RESERVE_BYTES

export function quotaOf(
  tenant: TenantId,
  { quota, quotas }: { quota: TenantQuota; quotas: Readonly<Record<TenantId, Partial<TenantQuota>>> },
): TenantQuota {
  return { ...quota, ...(Object.hasOwn(quotas, tenant) && quotas[tenant]) }
}

/** What a tenant stores, of what it may. */
export interface TenantStanding extends TenantUsage {
  readonly quota: TenantQuota
}

/** What one tenant stores: on disk, and admitted to be. */
export class TenantMeter {
  #bytes: number
  #contexts: number
  /** What the reserves come on top of. */
  readonly #base: number
  readonly #exceeded = new Set<string>()

  /** @param exceeded told of each quota when it is first exceeded, and again after it no longer was */
  constructor(
    private readonly quota: TenantQuota,
    { bytes, contexts }: TenantUsage,
    private readonly exceeded: (error: WeftError) => void,
  ) {
    this.#bytes = bytes
    this.#contexts = contexts
    this.#base = Math.max(quota.bytes_max, bytes)
  }

  get standing(): TenantStanding {
    return { bytes: this.#bytes, contexts: this.#contexts, quota: this.quota }
  }

  /** A gate that also asks whether there is room. @param count of the log's changes */
  gate(gate: ChangeGate, workflow: WorkflowId, count: () => Position): ChangeGate {
    return {
      check: change => {
        gate.check(change)
        this.#check(change, workflow, count() === 0)
      },
      admitted: (change, position) => {
        gate.admitted(change, position)
        this.#bytes += change.bytes.length
        if (position === 1 && !isEngineWorkflow(workflow)) this.#contexts++
      },
    }
  }

  removed(bytes: number): void {
    this.#bytes -= bytes
    this.#contexts--
    this.#exceeded.clear()
  }

  /** @throws WEFT_QUOTA_BYTES · WEFT_QUOTA_CONTEXTS */
  #check(change: Change, workflow: WorkflowId, isNew: boolean): void {
    const { bytes_max, contexts_max } = this.quota
    const isEngine = isEngineWorkflow(workflow)
    const reserve = isEngine ? ENGINE_RESERVE_BYTES : isHousekeeping(change) ? HOUSEKEEPING_RESERVE_BYTES : 0
    if (this.#bytes + change.bytes.length > (reserve === 0 ? bytes_max : this.#base + reserve))
      throw this.#refusal(outOfBytes(this.#bytes, bytes_max))
    if (isNew && !isEngine && this.#contexts >= contexts_max)
      throw this.#refusal(outOfContexts(this.#contexts, contexts_max))
  }

  #refusal(error: WeftError): WeftError {
    if (!this.#exceeded.has(error.code)) {
      this.#exceeded.add(error.code)
      this.exceeded(error)
    }
    return error
  }
}

function isHousekeeping({ header, state }: Change): boolean {
  const { branch, kinds, notes } = header
  return isEngineBranch(branch) || (notes.completes !== undefined && kinds.length === 0 && state === null)
}

function outOfBytes(stored: number, bytes_max: number): WeftError {
  return new WeftError(
    'WEFT_QUOTA_BYTES',
    `the tenant stores ${stored} of the ${bytes_max} bytes that it may`,
    'complete contexts that are over and have retention remove them, or ask for a larger quota; then write again',
    { stored, bytes_max },
  )
}

function outOfContexts(contexts: number, contexts_max: number): WeftError {
  return new WeftError(
    'WEFT_QUOTA_CONTEXTS',
    `the tenant has ${contexts} contexts, and may have ${contexts_max}`,
    'complete contexts that are over and have retention remove them, or ask for a larger quota; then write again',
    { contexts, contexts_max },
  )
}
