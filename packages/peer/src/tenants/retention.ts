import {
  type Change,
  checkRetentionRule,
  type Hash,
  isEngineWorkflow,
  type LogHead,
  OVERLAY_WORKFLOW,
  RETENTION_OVERLAY,
  type Retention,
  type RetentionRule,
  retentionOf,
  type TenantStore,
  wholeLog,
} from '@weft/core'
import { TIME_MS_MAX } from '../base/dates.js'
import type { Contexts } from './contexts.js'

/** A context that the rule removes. */
export interface Removal {
  readonly workflow: string
  readonly changes: number
  /** When it was completed (ISO 8601), by whom, and why, as the change says that completes it. */
  readonly completed: string
  readonly agent: string
  readonly reason: string | undefined
}

/** What a rule makes of a tenant's contexts. */
export interface RetentionPlan {
  readonly removed: readonly Removal[]
  /** Completed, and kept until then; null is for ever. */
  readonly kept: readonly { readonly workflow: string; readonly until: string | null }[]
  /** Workflows that are not completed, or written to since. */
  readonly open: readonly string[]
}

/**
 * The rule that a tenant has published last; undefined when it never has.
 * @throws WEFT_STORE_CORRUPT · WEFT_SCHEMA_REFUSED
 */
export async function retentionRuleOf(store: TenantStore, hash: Hash): Promise<RetentionRule | undefined> {
  let last: Change | undefined
  for await (const records of wholeLog(store, OVERLAY_WORKFLOW, hash)) {
    for (const { change } of records) {
      if (change.header.notes.publishes?.name === RETENTION_OVERLAY.name) last = change
    }
  }
  return last && checkRetentionRule(last.values()[0])
}

/**
 * What a rule makes of all contexts of a tenant at a moment (TIR-2); nothing is removed.
 * @throws WEFT_STORE_CORRUPT when any of them is damaged: then nothing should be
 */
export async function planRetention(
  store: TenantStore,
  rule: RetentionRule,
  now_ms: number,
): Promise<RetentionPlan> {
  const removed: Removal[] = []
  const kept: { workflow: string; until: string | null }[] = []
  const open: string[] = []
  for await (const head of store.heads()) {
    const { workflow } = head
    if (isEngineWorkflow(workflow)) continue
    const verdict = await verdictOn(store, head, rule, now_ms)
    if (verdict.is === 'open') open.push(workflow)
    else if (verdict.is === 'over') removed.push(removalOf(workflow, head.count, verdict.last))
    else kept.push({ workflow, until: verdict.until_ms === null ? null : iso(verdict.until_ms) })
  }
  return { removed, kept, open }
}

/** What became of a rule on a peer that is running. */
export interface RetentionRun extends RetentionPlan {
  /** Null when the tenant has none: then everything stays. */
  readonly rule: RetentionRule | null
  readonly dry_run: boolean
  /** Would be removed, and somebody has them open: the next run looks again. */
  readonly in_use: readonly string[]
}

/** Removes what a tenant's own rule removes, but for what is in use. @throws as `planRetention`, and WEFT_DRAINING */
export async function runRetention(
  contexts: Contexts,
  tenant: string,
  { dry_run, now_ms, hash }: { readonly dry_run: boolean; readonly now_ms: number; readonly hash: Hash },
): Promise<RetentionRun> {
  const store = contexts.storeOf(tenant)
  const rule = (await retentionRuleOf(store, hash)) ?? null
  if (rule === null) return { rule, dry_run, removed: [], kept: [], open: [], in_use: [] }
  const plan = await planRetention(store, rule, now_ms)
  if (dry_run) return { rule, dry_run, ...plan, in_use: [] }
  const isOver = async (workflow: string): Promise<boolean> => {
    const head = await store.head(workflow)
    return head !== undefined && (await verdictOn(store, head, rule, now_ms)).is === 'over'
  }
  const removed: Removal[] = []
  const in_use: string[] = []
  for (const removal of plan.removed) {
    const { workflow } = removal
    if (await contexts.remove(tenant, workflow, () => isOver(workflow))) removed.push(removal)
    else in_use.push(workflow)
  }
  return { rule, dry_run, ...plan, removed, in_use }
}

async function verdictOn(
  store: TenantStore,
  { workflow, count, heads }: LogHead,
  rule: RetentionRule,
  now_ms: number,
): Promise<Retention & { readonly last: Change }> {
  const [record] = await store.read(workflow, count, 1)
  const last = record!.change
  return { ...retentionOf(last, heads, rule, now_ms), last }
}

function removalOf(workflow: string, changes: number, { header }: Change): Removal {
  const { time, agent, notes } = header
  return { workflow, changes, completed: iso(time), agent, reason: notes.reason }
}

/** Times are their authors' own: one beyond what a date can say is told as the last that it can. */
function iso(time_ms: number): string {
  return new Date(Math.min(time_ms, TIME_MS_MAX)).toISOString()
}
