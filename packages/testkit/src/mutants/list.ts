/** A defect to plant into the compiled code of a package: one text for another, where it stands first. */
export interface Mutant {
  readonly name: string
  /** From `packages/` on. */
  readonly file: string
  readonly from: string
  readonly to: string
  /** The laws by which the simulation may find it. */
  readonly laws: readonly string[]
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'ack before fsync',
    file: 'store-level/dist/group-writer.js',
    from: 'sync: true',
    to: 'sync: false',
    laws: ['DUR-1'],
  },
  {
    name: 'ack before the write',
    file: 'peer/dist/context-log.js',
    from: 'await this.store.append(',
    to: 'void this.store.append(',
    laws: ['DUR-1'],
  },
  {
    name: 'ack of a change offered again at another position',
    file: 'peer/dist/context-log.js',
    from: 'const position = known + 1;',
    to: 'const position = known + 2;',
    laws: ['DUR-1', 'DUR-2'],
  },
  {
    name: 'records under keys without their tenant',
    file: 'store-level/dist/keys.js',
    from: 'return this.logs.gte + workflow + SEPARATOR + position',
    to: "return 'all' + SEPARATOR + 'l' + SEPARATOR + workflow + SEPARATOR + position",
    laws: ['TEN-1', 'TEN-2'],
  },
  {
    name: 'deps that are not there',
    file: 'core/dist/dag.js',
    from: 'throw depsMissing(change.id, this.missingDeps(header));',
    to: 'continue;',
    laws: ['CHG-2', 'CHG-3', 'CHG-5', 'DUR-2', 'DUR-5'],
  },
  {
    name: 'an actor that is used again',
    file: 'core/dist/branch-writer.js',
    from: 'random(bytes, 0, ACTOR_BYTES);',
    to: 'bytes.fill(7);',
    laws: ['CHG-2'],
  },
  {
    name: 'staleness without its transitive step',
    file: 'core/dist/staleness.js',
    from: 'this.#eachDependent(next, dependent => spread.push(dependent));',
    to: '',
    laws: ['STL-4'],
  },
  {
    name: 'nothing is told of what becomes stale after a withdrawal',
    file: 'replica/dist/context-replica.js',
    from: 'this.#tell([]);',
    to: '',
    laws: ['STL-5'],
  },
  {
    name: 'an overlay lease that never ends at the worker',
    file: 'replica/dist/overlay-follower.js',
    from: 'this.clock.now() < until_ms',
    to: 'true',
    laws: ['OVL-3'],
  },
  {
    name: 'steps under old overlays are committed',
    file: 'core/dist/overlays.js',
    from: 'if (older.length > 0)',
    to: 'if (false)',
    laws: ['OVL-3'],
  },
  {
    name: 'commits under any epoch',
    file: 'core/dist/leases.js',
    from: 'if (stated !== undefined && stated !== (begins ? current + 1 : current))',
    to: 'if (false)',
    laws: ['HND-3'],
  },
  {
    name: 'a lease that its holder counts four times over',
    file: 'replica/dist/lease.js',
    from: 'this.#until_ms = asked_ms + this.ttl_ms',
    to: 'this.#until_ms = asked_ms + 4 * this.ttl_ms',
    laws: ['HND-3'],
  },
  {
    name: 'a lease that the peer ends too early',
    file: 'core/dist/leases.js',
    from: 'now_ms < held.until_ms',
    to: 'now_ms < held.until_ms - 60',
    laws: ['HND-3'],
  },
]
