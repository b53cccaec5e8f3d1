/** A change's number within one `Dag`: the order of its arrival. Means nothing outside of it. */
export type Node = number
export const NO_NODE: Node = -1
