import { type Checker, entryOf, short } from '../checker.js'

/**
 * Equal sets look equal, wherever and whenever they are looked at (CHG-4), and are shown in one order (ORD-2); and in the
 * end there is one set (MRG-1).
 */
export function convergence(): Checker {
  /** By context and frontier: the frontier names the whole set. */
  const digests = new Map<string, { readonly digest: string; readonly process: string }>()
  /** By context, what the first said that was asked when all was well again. */
  const settled = new Map<string, { readonly frontier: string; readonly process: string }>()
  /** By context and the heads of a branch. */
  const orders = new Map<string, { readonly order: string; readonly process: string }>()
  return {
    name: 'convergence',
    on: {
      branch: ({ process, branch, heads, order: shown, at }, report) => {
        const order = shown.join(' ')
        const first = entryOf(orders, `${at.key} ${[...heads].sort().join(' ')}`, () => ({ order, process }))
        if (first.order !== order)
          report('ORD-2', `${at.key}: ${process} and ${first.process} show ${branch} in two orders`)
      },
      digest: ({ process, frontier, digest, isLast, at }, report) => {
        const names = [...frontier].sort().join(' ')
        const first = entryOf(digests, `${at.key} ${names}`, () => ({ digest, process }))
        if (first.digest !== digest) {
          report(
            'CHG-4',
            `${at.key}: ${process} and ${first.process} hold the same set up to ${frontier.map(short)} and differ: ` +
              `${short(digest)}, ${short(first.digest)}`,
          )
        }
        if (!isLast) return
        const other = entryOf(settled, at.key, () => ({ frontier: names, process }))
        if (other.frontier !== names)
          report(
            'MRG-1',
            `${at.key}: in the end ${process} does not hold the set that ${other.process} holds`,
          )
      },
    },
  }
}
