import type { SimProcess } from './process.js'

/** What travels between the two ends of a connection. */
export type Parcel =
  | {
      readonly kind: 'frame'
      readonly bytes: Uint8Array
      readonly sent?: (() => void) | undefined
      readonly from: SimProcess
    }
  | { readonly kind: 'open' | 'ping' | 'pong' | 'reset' }
  | { readonly kind: 'close' | 'closed'; readonly code: number; readonly reason: string }

/** The way to the other end of a connection. */
export interface Way {
  /** Bytes that wait at this end. */
  readonly bufferedBytes: number
  send(parcel: Parcel): void
  /** Nothing holds it up any more. */
  release(): void
  /** What is under way is lost. */
  lose(): void
}
