import { isWeftError, type LogHead, type TenantId, type TenantStore, type WorkflowId } from '@weft/core'

/** The contexts of a tenant at one moment, as its store has sealed them. */
export interface ContextList {
  readonly tenant: TenantId
  readonly contexts: readonly LogHead[]
  /** Those that are damaged on disk. */
  readonly damaged: readonly WorkflowId[]
}

/** @throws WEFT_STORE_CORRUPT when it is not known which are damaged · WEFT_STORE_FAILED */
export async function listContexts(store: TenantStore): Promise<ContextList> {
  const contexts: LogHead[] = []
  try {
    for await (const head of store.heads()) contexts.push(head)
    return { tenant: store.tenant, contexts, damaged: [] }
  } catch (error) {
    const damaged = isWeftError(error) ? error.details.workflows : undefined
    if (!Array.isArray(damaged)) throw error
    return { tenant: store.tenant, contexts, damaged }
  }
}
