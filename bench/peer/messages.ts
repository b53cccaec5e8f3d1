/** What the two processes of the peer bench tell each other. */
export type Request = 'usage' | 'memory' | 'collected' | 'stop'

export interface Started {
  readonly url: string
}

export interface Usage {
  /** CPU time of the server so far, all threads. */
  readonly cpuUs: number
}

export interface Memory {
  /** What is still referred to, of the heap and of the buffers beside it. */
  readonly heldBytes: number
  readonly residentBytes: number
}

export const TENANT = 'bench'
export const SECRET = 'a secret that signs nothing but this bench'
