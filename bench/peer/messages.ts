/** What the two processes of the peer bench tell each other. */
export type Request = 'usage' | 'stop'

export interface Started {
  readonly url: string
}

export interface Usage {
  /** CPU time of the server so far, all threads. */
  readonly cpuUs: number
}

export const TENANT = 'bench'
export const SECRET = 'a secret that signs nothing but this bench'
