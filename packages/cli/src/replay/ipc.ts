import type { Handoff } from '@weft/replica'
import type { TraceMessage } from './trace-message.js'

/** How long any one answer is waited for: on a busy machine a peer may have many workers' questions before it. */
export const PATIENCE_MS = 60_000

/** What every process of a replay is told at its start. */
export interface Connection {
  readonly url: string
  readonly tenants: readonly TenantAccess[]
}

export interface TenantAccess {
  readonly tenant: string
  readonly token: string
  /** A text that stands in everything this tenant writes, and nowhere else. */
  readonly mark: string
}

/** One attempt to play, by whichever worker. */
export interface Job {
  readonly number: number
  readonly tenant: string
  readonly workflow: string
  readonly messages: readonly TraceMessage[]
  /** Of the branch to play it on. */
  readonly handoff: Handoff
  /** Begin this message's step, and wait to be killed. */
  readonly stopAt: number | undefined
}

/** What a replica must have seen before it is inspected. */
export interface Inspection {
  readonly tenant: string
  readonly workflow: string
  readonly position: number
}

export interface Inspected {
  readonly tenant: string
  readonly workflow: string
  readonly digest: string
  /** Bytes of changes that carry another tenant's mark. */
  readonly foreignBytes: number
  /** Nothing came before what it depends on. */
  readonly causal: boolean
}

export interface Ack {
  readonly tenant: string
  readonly workflow: string
  readonly change: string
  readonly position: number
}

export type ToWorker =
  | { readonly type: 'start'; readonly agent: string; readonly connection: Connection }
  | { readonly type: 'job'; readonly job: Job }
  | { readonly type: 'inspect'; readonly contexts: readonly Inspection[] }

export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'acked'; readonly acks: readonly Ack[] }
  | { readonly type: 'stopped-midway'; readonly number: number }
  | { readonly type: 'done'; readonly number: number; readonly handoff: Handoff }
  | { readonly type: 'inspected'; readonly contexts: readonly Inspected[] }
  | { readonly type: 'failed'; readonly message: string }
