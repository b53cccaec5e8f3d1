/** The two orders of ORD-2: each branch in an unbroken run, or all by lamport. */
export const FLATTEN_ORDERS = ['branches', 'interleaved'] as const
export type FlattenOrder = (typeof FLATTEN_ORDERS)[number]
