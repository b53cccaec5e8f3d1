import { type Change, decodeChange, type RetentionRule, retentionOf, type TenantStore } from '@weft/core'
import { sha256 } from './context-copy.js'

/** A context that the rule removes. */
export interface Removal {
  readonly workflow: string
  readonly changes: number
  /** When it was completed, by whom, and why, as the change says that completes it. */
  readonly completed: string
  readonly agent: string
  readonly reason: string | undefined
}

export interface Retained {
  readonly removed: readonly Removal[]
  readonly kept: readonly { readonly workflow: string; readonly until: string }[]
  /** Workflows that are not completed, or written to since. */
  readonly open: readonly string[]
}

/** What a rule makes of all contexts of a tenant at a moment; nothing is removed. @throws WEFT_STORE_CORRUPT */
export async function planRetention(
  store: TenantStore,
  rule: RetentionRule,
  now_ms: number,
): Promise<Retained> {
  const removed: Removal[] = []
  const kept: { workflow: string; until: string }[] = []
  const open: string[] = []
  for await (const { workflow, count, heads } of store.heads()) {
    const [record] = await store.read(workflow, count, 1)
    const last = decodeChange(record!.bytes, sha256)
    const verdict = retentionOf(last, heads, rule, now_ms)
    if (verdict.is === 'open') open.push(workflow)
    else if (verdict.is === 'kept') kept.push({ workflow, until: new Date(verdict.until_ms).toISOString() })
    else removed.push(removalOf(workflow, count, last))
  }
  return { removed, kept, open }
}

function removalOf(workflow: string, changes: number, { header }: Change): Removal {
  const { time, agent, notes } = header
  return { workflow, changes, completed: new Date(time).toISOString(), agent, reason: notes.reason }
}
