/** What a crowd of another tenant does beside the victim. */
export type Kind = 'flood' | 'bulk' | 'catch-up'

export interface Order {
  readonly do: Kind | 'stop' | 'exit'
  readonly url: string
  /** A fresh one each time, but for a catch-up, which reads what was written in bulk. */
  readonly workflow: string
}

export interface Report {
  readonly is: 'ready' | 'begun' | 'over'
  /** Changes that were acknowledged or read. */
  readonly changes: number
  readonly seconds: number
}

export const CROWD = 'crowd'
