import { FAULTS } from '../faults.js'

/** A defect to plant into the compiled code of a package: one text for another, where it stands first. */
export interface Mutant {
  readonly name: string
  /** From `packages/` on. */
  readonly file: string
  readonly from: string
  readonly to: string
  /** The laws by which the simulation may find it. */
  readonly laws: readonly string[]
  /** What may go wrong meanwhile, by commas; default: all. */
  readonly faults?: string
}

/** A peer that is set up anew from an older backup, beside what keeps workers from hearing of it at once. */
const ROLLBACKS = 'rollback,cut,partition,clog,swizzle,freeze-worker,stall'

/** Who is sent away from a tenant that is dropped would tell of what is to be found without. */
const WITHOUT_DROPS = FAULTS.filter(kind => kind !== 'drop').join()

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
    name: 'a failed write that is passed over',
    file: 'peer/dist/context-log.js',
    from: 'this.hooks.failed(error);',
    to: ';',
    laws: ['DUR-1', 'DUR-2'],
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
    from: 'return this.logs.gte + workflow + SEPARATOR + ZEROS',
    to: "return 'all' + SEPARATOR + 'l' + SEPARATOR + workflow + SEPARATOR + ZEROS",
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
    name: 'heads that nobody joins',
    file: 'peer/dist/context-log.js',
    from: 'this.#joinHeads(change.header.branch);',
    to: '',
    laws: ['CHG-2'],
  },
  {
    name: 'heads that are joined when they are two more',
    file: 'peer/dist/context-log.js',
    from: 'if (length <= this.host.branch_heads_max',
    to: 'if (length <= this.host.branch_heads_max + 1',
    laws: ['CHG-2'],
  },
  {
    name: 'staleness without its transitive step',
    file: 'core/dist/staleness.js',
    from: 'this.#eachDependent(unit, dependent => spread.push(dependent));',
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
    from: 'this.clock.steady() < until_ms',
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
  {
    name: 'leases that are counted by the wall clock',
    file: 'replica/dist/asked.js',
    from: 'return this.link.clock;',
    to: 'return { now: this.link.clock.now, steady: this.link.clock.now, after: this.link.clock.after };',
    laws: ['HND-3'],
    faults: 'set-clock,partition',
  },
  {
    name: 'records that are not held against their ids',
    file: 'store-level/dist/record-codec.js',
    from: 'if (value[i] !== ids[idAt + i])',
    to: 'if (false)',
    laws: ['DUR-4'],
  },
  {
    name: 'head records that are not held against their checksums',
    file: 'store-level/dist/head-codec.js',
    from: 'if (!checksum(key, body).equals(sealOf(value)))',
    to: 'if (false)',
    laws: ['DUR-4'],
  },
  {
    name: 'a change that is offered again goes into the log again',
    file: 'peer/dist/context-log.js',
    from: 'if (known !== NO_NODE) {',
    to: 'if (false) {',
    laws: ['DUR-1', 'DUR-2', 'DUR-5', 'MRG-1'],
  },
  {
    name: 'what has no answer is not offered again',
    file: 'protocol/dist/replica-session.js',
    from: 'change.sent = false;',
    to: 'change.sent = change.sent;',
    laws: ['DUR-5'],
  },
  {
    name: 'a rollback that no replica notices',
    file: 'protocol/dist/replica-session.js',
    from: 'const rollback = count < subscription.told || !known;',
    to: 'const rollback = false;',
    laws: ['DUR-5', 'MRG-1'],
    faults: ROLLBACKS,
  },
  {
    name: 'a rollback after which nothing is offered again',
    file: 'replica/dist/context-replica.js',
    from: 'this.session.offer(this.workflow, missing);',
    to: '',
    laws: ['DUR-5'],
    faults: ROLLBACKS,
  },
  {
    name: 'heads that are expected and never looked at',
    file: 'core/dist/preconditions.js',
    from: 'return sameIds(actual, [...ids].sort()) ?',
    to: 'return true ?',
    laws: ['DUR-6'],
  },
  {
    name: 'what must not have moved may have',
    file: 'core/dist/preconditions.js',
    from: 'const moved = unmoved.length === 0 ? []',
    to: 'const moved = true ? []',
    laws: ['DUR-6'],
  },
  {
    name: 'siblings in the order of their arrival',
    file: 'core/dist/order.js',
    from: 'return this.#compareBirths(a, b) || this.#compareAuthors(a, b);',
    to: 'return a - b;',
    laws: ['CHG-4', 'ORD-2'],
  },
  {
    name: 'a session that is not waited for',
    file: 'replica/dist/sessions.js',
    from: 'context.until(() => index.position >= position',
    to: 'context.until(() => true',
    laws: ['SES-1', 'SES-2'],
  },
  {
    name: "a session's token that is good for every tenant",
    file: 'peer/dist/session-tokens.js',
    from: 'if (mark.tenant === tenant && mark.workflow === workflow)',
    to: 'if (mark.workflow === workflow)',
    laws: ['SES-3'],
  },
  {
    name: 'a step that claims to have seen what came meanwhile',
    file: 'replica/dist/context.js',
    from: 'if (undisturbed)',
    to: 'if (true)',
    laws: ['STP-1'],
  },
  {
    name: 'a snapshot that goes on to show what comes',
    file: 'replica/dist/snapshot.js',
    from: 'if (shared && shared.view.size === shared.size)',
    to: 'if (shared)',
    laws: ['STP-1'],
  },
  {
    name: 'a barrier that waits for nobody',
    file: 'peer/dist/tenant-overlays.js',
    from: 'const behind = this.#leases.behind(position, now_ms);',
    to: 'const behind = [];',
    laws: ['OVL-3'],
  },
  {
    name: 'a peer that forgets who relies on overlays when it begins anew',
    file: 'core/dist/overlay-leases.js',
    from: 'return until_ms <= now_ms ? behind : [{ name: BEFORE, position: 0, until_ms }, ...behind];',
    to: 'return behind;',
    laws: ['OVL-3'],
  },
  {
    name: 'one tenant whose contexts are served to all',
    file: 'peer/dist/contexts.js',
    from: 'let tenant = this.#tenants.get(id);',
    to: 'let [tenant] = this.#tenants.values();',
    laws: ['TEN-1', 'TEN-2'],
  },
  {
    name: 'a token whose expiry ends nothing',
    file: 'peer/dist/live-grants.js',
    from: 'cancelExpiry = whenExpired(grant, this.clock, ended);',
    to: '',
    laws: ['TEN-5'],
  },
  {
    name: 'a revocation that ends no connection',
    file: 'peer/dist/live-grants.js',
    from: 'if (isRevoked(revocations, grant))',
    to: 'if (false)',
    laws: ['TEN-5'],
    faults: WITHOUT_DROPS,
  },
  {
    name: 'revocations that are forgotten with the next publication',
    file: 'peer/dist/tenant-overlays.js',
    from: 'revocationsIn(change) ?? this.#revocations;',
    to: 'revocationsIn(change) ?? NOTHING_REVOKED;',
    laws: ['TEN-5'],
    faults: WITHOUT_DROPS,
  },
  {
    name: 'a drop that leaves records behind',
    file: 'store-level/dist/drop.js',
    from: 'db.keys(keys.all)',
    to: 'db.keys(keys.heads)',
    laws: ['TEN-4', 'DUR-5'],
  },
  {
    name: 'a drop that is begun again at every opening',
    file: 'store-level/dist/drop.js',
    from: '[dropping, usage].map(',
    to: '[usage].map(',
    laws: ['TEN-4'],
  },
  {
    name: 'a drop that nobody noted before it removed',
    file: 'store-level/dist/drop.js',
    from: 'await writer.write(ciphers.behind(tenant, () => mark));',
    to: '',
    laws: ['DUR-1', 'DUR-4', 'TEN-4'],
  },
  {
    name: 'a drop after which tokens are good as before',
    file: 'peer/dist/drop.js',
    from: 'store.drop(() => left(host))',
    to: 'store.drop()',
    laws: ['TEN-4'],
  },
  {
    name: 'a drop that a peer died of, and after which tokens are good as before',
    file: 'peer/dist/service.js',
    from: 'await dropTenant(store.tenant(tenant), {',
    to: 'await store.tenant(tenant).drop(); ({',
    laws: ['TEN-4'],
  },
  {
    name: 'a drop of which nobody connected hears',
    file: 'peer/dist/contexts.js',
    from: 'sendAway(ALL_REVOKED);',
    to: '',
    laws: ['TEN-4'],
  },
  {
    name: 'a drop while which others are let in',
    file: 'peer/dist/contexts.js',
    from: 'return ALL_REVOKED;',
    to: ';',
    laws: ['TEN-4'],
  },
  {
    name: 'a drop whose failed write opens no store',
    file: 'peer/dist/contexts.js',
    from: 'if (!(await this.#isUsable()))',
    to: 'if (false)',
    laws: ['DUR-5'],
    faults: 'drop,eio,enospc',
  },
]
