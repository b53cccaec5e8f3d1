import { WeftError } from './errors.js'

declare const brand: unique symbol
type Branded<T, Name extends string> = T & { readonly [brand]?: Name }

export type TenantId = Branded<string, 'tenant'>
export type WorkflowId = Branded<string, 'workflow'>
export type AgentId = Branded<string, 'agent'>
export type BranchName = Branded<string, 'branch'>
/** 64 lower-case hex digits: the SHA-256 of a change's header bytes. */
export type ChangeId = Branded<string, 'change'>
/** 32 lower-case hex digits, drawn at random for each open branch handle. */
export type ActorId = Branded<string, 'actor'>
/** `<change id>.<index of the entry in its change>` */
export type EntryId = Branded<string, 'entry'>
export type OverlayName = Branded<string, 'overlay'>
/** Offset of a change in a context's committed log: gapless, from 1; 0 is before the first. */
export type Position = Branded<number, 'position'>

export const MAIN_BRANCH: BranchName = 'main'
/**
 * The branch of the changes that say who has claimed which events and how far they have come (WAK-1): no work is done
 * on it, and they move the heads of none that work is done on.
 */
export const WAKES_BRANCH: BranchName = 'weft.wakes'
/** The branch of the changes that say what is erased (ERA-1): likewise. They depend on each other alone. */
export const ERASURES_BRANCH: BranchName = 'weft.erasures'
/** The branch of the changes that end others without merging them: likewise. What they end is in their past alone. */
export const ABANDONED_BRANCH: BranchName = 'weft.abandoned'

/** Whether a branch is the engine's own, which no work is done on. */
export function isEngineBranch(branch: BranchName): boolean {
  return branch === WAKES_BRANCH || branch === ERASURES_BRANCH || branch === ABANDONED_BRANCH
}

/** Returns `name` if work may be done on a branch of this name. @throws WEFT_ID_INVALID */
export function checkBranch(name: unknown): BranchName {
  if (!isEngineBranch(checkId('branch', name))) return name as BranchName
  throw new WeftError(
    'WEFT_ID_INVALID',
    `the branch ${String(name)} is the engine's own`,
    'choose another name',
    { branch: name },
  )
}

/** What the subscriptions begin with that a peer keeps for its operator's webhooks. */
const WEBHOOK = 'webhook.'

/** The subscription that says how far a context has been delivered to a webhook. */
export function webhookSubscription(webhook: string): string {
  return WEBHOOK + webhook
}

/** Returns `name` if a subscription of this name may be defined and claimed. @throws WEFT_ID_INVALID */
export function checkSubscription(name: unknown): string {
  const id = checkId('subscription', name)
  if (!id.startsWith(WEBHOOK)) return id
  throw new WeftError(
    'WEFT_ID_INVALID',
    `the subscription ${id} is the peer's own: it says how far a webhook is`,
    'choose another name',
    { role: 'subscription' },
  )
}

/** The engine's own workflow that holds a tenant's overlays: the one that begins with `@` and that a peer lets in. */
export const OVERLAY_WORKFLOW: WorkflowId = '@overlays'

/** What an id looks like (TEN-3), as a regular expression. */
export const ID_PATTERN = '^[A-Za-z0-9._~-]{1,128}$'
const ID = new RegExp(ID_PATTERN)
const CHANGE_ID = /^[0-9a-f]{64}$/

export type IdRole = 'tenant' | 'workflow' | 'agent' | 'branch' | 'kind' | 'subscription' | 'overlay'

/** Returns `id` if it is a valid id (TEN-3). @throws WEFT_ID_INVALID */
export function checkId(role: IdRole, id: unknown): string {
  if (typeof id === 'string' && ID.test(id)) return id
  throw notAllowed(role, id)
}

/** As `checkId`: the engine keeps workflows that begin with `@` to itself, and no id can. */
export function checkWorkflow(id: unknown): WorkflowId {
  return checkId('workflow', id)
}

/** As `checkWorkflow`, where the engine's own may be meant too: each by its whole name. @throws WEFT_ID_INVALID */
export function checkAnyWorkflow(id: unknown): WorkflowId {
  return isEngineWorkflow(id) ? id : checkWorkflow(id)
}

/** Whether a workflow is the engine's own: of the whole tenant, whatever the pattern of a token. */
export function isEngineWorkflow(id: unknown): id is WorkflowId {
  return id === OVERLAY_WORKFLOW
}

/** Overlays are named in maps, where a name that every object has would be found without having been put there. */
export function isOverlayName(value: unknown): value is OverlayName {
  return typeof value === 'string' && ID.test(value) && !(value in {})
}

/** What only the engine goes by: no step runs under it, and no model is told it. */
export function isEngineOverlay(name: OverlayName): boolean {
  return name.startsWith('weft.')
}

/** @throws WEFT_ID_INVALID */
export function checkOverlayName(name: unknown): OverlayName {
  if (isOverlayName(name)) return name
  throw notAllowed('overlay', name)
}

export function isChangeId(value: unknown): value is ChangeId {
  return typeof value === 'string' && CHANGE_ID.test(value)
}

export function entryId(change: ChangeId, index: number): EntryId {
  return `${change}.${index}`
}

export function changeOfEntry(entry: EntryId): ChangeId {
  return entry.slice(0, entry.indexOf('.'))
}

export function indexOfEntry(entry: EntryId): number {
  return Number(entry.slice(entry.indexOf('.') + 1))
}

export interface Address {
  readonly tenant: TenantId
  readonly workflow: WorkflowId
  readonly agent: AgentId
  readonly position: Position
}

/** `tenant:workflow:agent:position`. @throws WEFT_ID_INVALID */
export function formatAddress(address: Address): string {
  checkId('tenant', address.tenant)
  checkWorkflow(address.workflow)
  checkId('agent', address.agent)
  if (!Number.isSafeInteger(address.position) || address.position < 0) throw badAddress(address.position)
  return `${address.tenant}:${address.workflow}:${address.agent}:${address.position}`
}

/** Reads what `formatAddress` writes, and nothing else. @throws WEFT_ID_INVALID */
export function parseAddress(text: string): Address {
  const [tenant = '', workflow = '', agent = '', position] = text.split(':')
  const address = { tenant, workflow, agent, position: Number(position) }
  // What prints otherwise was rounded, padded or signed: no two texts may be one address.
  if (formatAddress(address) !== text) throw badAddress(text)
  return address
}

function badAddress(value: unknown): WeftError {
  return new WeftError(
    'WEFT_ID_INVALID',
    `${quote(value)} is not an address`,
    'write tenant:workflow:agent:position, with a whole number from 0 as the position',
  )
}

function notAllowed(role: IdRole, id: unknown): WeftError {
  return new WeftError(
    'WEFT_ID_INVALID',
    `the ${role} id ${quote(id)} is not allowed`,
    'use 1 to 128 characters of A-Z a-z 0-9 . _ ~ - (no separators such as ":" or "/")',
    { role },
  )
}

function quote(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}
