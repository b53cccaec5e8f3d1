import { type Checker, entryOf, forget, short } from '../checker.js'
import type { Place } from '../observation.js'

interface Fence {
  readonly epoch: number
  /** Given back: it holds nobody off. */
  readonly isOver: boolean
}

/** Once a lease was granted anew nothing is committed under the old epoch, and nobody still holds that (HND-3). */
export function leases(): Checker {
  const fences = new Map<string, Map<string, Fence>>()
  /** By context, who claims what; and those who did so before all leases of their tenant were removed. */
  const claims = new Map<string, Set<string>>()
  const outlived = new Set<string>()
  const fencesOf = (at: Place) => entryOf(fences, at.key, () => new Map<string, Fence>())
  return {
    name: 'leases',
    on: {
      durable: ({ change: { id, header }, at }, report) => {
        const known = fencesOf(at)
        const { lease, under = {} } = header.notes
        for (const [on, epoch] of Object.entries(under)) {
          // Who asks for a lease, or gives it back, does so by the epoch that it names there.
          if (on === lease?.on) continue
          const current = known.get(on)?.epoch ?? 0
          if (epoch !== current)
            report(
              'HND-3',
              `${at.key}: ${short(id)} was committed under epoch ${epoch} of ${on}, after ${current}`,
            )
        }
        if (lease === undefined) return
        const before = known.get(lease.on)?.epoch ?? 0
        const isOver = lease.ttl_ms === 0
        if (!isOver && lease.epoch !== before + 1)
          report('HND-3', `${at.key}: epoch ${lease.epoch} of ${lease.on} was granted after ${before}`)
        known.set(lease.on, { epoch: lease.epoch, isOver })
      },
      removed: ({ tenant }) => {
        for (const [key, those] of claims)
          if (key.startsWith(`${tenant}:`)) for (const claim of those) outlived.add(claim)
        forget(claims, tenant)
        forget(fences, tenant)
      },
      lease: ({ process, on, epoch, at }, report) => {
        const claim = `${at.key} ${process} ${on} ${epoch}`
        if (outlived.has(claim)) return
        entryOf(claims, at.key, () => new Set()).add(claim)
        const current = fencesOf(at).get(on)
        if (current !== undefined && current.epoch > epoch)
          report(
            'HND-3',
            `${at.key}: ${process} holds ${on} under epoch ${epoch}, and ${current.epoch} was granted`,
          )
      },
    },
  }
}
