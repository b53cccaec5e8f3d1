import {
  BranchWriter,
  ChangeSet,
  type Host,
  type LogAppend,
  MAIN_BRANCH,
  OVERLAY_KIND,
  OVERLAY_WORKFLOW,
  overlayRef,
  REVOCATIONS_OVERLAY,
  type TenantId,
  type TenantStore,
  WeftError,
} from '@weft/core'

/** What was removed with a tenant. */
export interface DroppedTenant {
  readonly tenant: TenantId
  /** Contexts, the engine's own among them. */
  readonly workflows: number
  readonly changes: number
}

const REASON = 'the tenant was dropped'
const AGENT = 'weft-peer'
const MS_PER_S = 1_000

/**
 * Removes everything of a tenant (TEN-4), and leaves one change behind: all tokens that were issued by now are revoked,
 * so that no replica that still holds a context brings it back. Nobody may have any of its contexts open.
 * @throws WEFT_STORE_FAILED
 */
export async function dropTenant(store: TenantStore, host: Host): Promise<DroppedTenant> {
  return { tenant: store.tenant, ...(await store.drop(() => left(host))) }
}

function left(host: Host): LogAppend {
  const { id, bytes } = revokingAll(host)
  const head = { workflow: OVERLAY_WORKFLOW, count: 1, heads: [id] }
  return { records: [{ position: 1, id, bytes }], head }
}

/** The first change of a log of overlays. */
function revokingAll(host: Host) {
  const { name } = REVOCATIONS_OVERLAY
  const value = { tokens: {}, subjects: {}, all: Math.floor(host.now() / MS_PER_S) }
  const writer = new BranchWriter(new ChangeSet(host.hash), host, MAIN_BRANCH, AGENT)
  return writer.write({
    entries: [{ kind: OVERLAY_KIND, value }],
    writes: [overlayRef(name, 1)],
    notes: { publishes: { name, version: 1, enforce: 'advisory' }, reason: REASON },
  })!
}

export function beingDropped(tenant: TenantId): WeftError {
  return new WeftError(
    'WEFT_TOKEN_REVOKED',
    `tenant ${tenant} is being dropped, with all that it has`,
    'nothing of it can be had any more; a token that is issued after that begins it anew',
  )
}
