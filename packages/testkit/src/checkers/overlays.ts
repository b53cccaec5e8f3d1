import { type Checker, entryOf, short } from '../checker.js'

/** Behind a barrier no step begins under an older version of what was published, and none is committed (OVL-3). */
export function overlays(): Checker {
  /** By tenant, the versions behind whose barrier the world is. */
  const barred = new Map<string, Map<string, number>>()
  const barredOf = (tenant: string) => entryOf(barred, tenant, () => new Map<string, number>())

  const older = (tenant: string, under: Readonly<Record<string, number>>): string[] =>
    [...barredOf(tenant)]
      .filter(([name, version]) => (under[name] ?? 0) < version)
      .map(([name, version]) => `${name}@${under[name] ?? 0} behind the barrier of ${name}@${version}`)

  return {
    name: 'overlays',
    on: {
      barrier: ({ tenant, name, version }) => {
        const versions = barredOf(tenant)
        versions.set(name, Math.max(version, versions.get(name) ?? 0))
      },
      removed: ({ tenant }) => void barred.delete(tenant),
      step: ({ tenant, process, overlays: under }, report) => {
        for (const what of older(tenant, under))
          report('OVL-3', `${process} of ${tenant} began a step under ${what}`)
      },
      durable: ({ change, at }, report) => {
        const under = change.header.notes.overlays
        if (under === undefined) return
        for (const what of older(at.tenant, under))
          report('OVL-3', `a step, ${short(change.id)} of ${at.key}, was committed under ${what}`)
      },
    },
  }
}
