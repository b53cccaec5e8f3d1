import { BranchWriter, type Change, ChangeSet, parseRef, type Write } from '@weft/core'
import {
  causality,
  convergence,
  credentials,
  durability,
  leases,
  type Observation,
  overlays,
  placeOf,
  sessions,
  staleness,
  steps,
  tenants,
} from '@weft/testkit'
import { describe, expect, it } from 'vitest'
import { forged } from '../support/core-forge.ts'
import { seededHost, sha256 } from '../support/core-property.ts'
import { lawsBroken } from '../support/sim-court.ts'

const at = placeOf('acme', 'w')
const process = 'acme-1#1'

/** Changes of one writer, each after the other. */
function written(...writes: readonly Write[]): Change[] {
  const writer = new BranchWriter(new ChangeSet(sha256), seededHost(1), 'main', 'agent')
  return writes.map(write => writer.write(write)!)
}

const note = (...reads: string[]): Write => ({
  entries: [{ kind: 'note', value: 1 }],
  reads: reads.map(ref => parseRef(ref)),
})

const durable = (change: Change, position: number): Observation => ({ saw: 'durable', at, change, position })
const acked = ({ id }: Change, position: number): Observation => ({ saw: 'acked', at, process, id, position })
const arrived = (change: Change): Observation => ({ saw: 'arrived', at, process, change })
const offered = (change: Change, tenant = 'acme'): Observation => ({
  saw: 'offered',
  at: placeOf(tenant, 'w'),
  process: `${tenant}-1#1`,
  change,
})
const log = (...changes: readonly Change[]): Observation => ({
  saw: 'log',
  at,
  ids: changes.map(({ id }) => id),
})

describe('durability', () => {
  const [a, b] = written(note(), note()) as [Change, Change]

  it('[DUR-1] [DUR-2] passes a log in which everything that was acknowledged is where it was said to be', () => {
    expect(
      lawsBroken(durability(), durable(a, 1), durable(b, 2), acked(a, 1), acked(b, 2), log(a, b)),
    ).toEqual([])
  })

  it('[DUR-1] finds an ack before the fsync', () => {
    expect(lawsBroken(durability(), acked(a, 1), durable(a, 1))).toEqual(['DUR-1'])
  })

  it('[DUR-1] finds an acknowledged change that is lost in the end', () => {
    expect(lawsBroken(durability(), durable(a, 1), durable(b, 2), acked(b, 2), log(a))).toEqual(['DUR-1'])
  })

  it('[DUR-2] finds a position that is given out twice, and a change that is twice in the log', () => {
    expect(lawsBroken(durability(), durable(a, 1), durable(b, 1))).toEqual(['DUR-2'])
    expect(lawsBroken(durability(), durable(a, 1), log(a, b, a))).toEqual(['DUR-2'])
    expect(lawsBroken(durability(), durable(a, 1), acked(a, 1), durable(a, 2), acked(a, 2))).toEqual([
      'DUR-2',
    ])
  })
})

describe('what is read off the disk', () => {
  const [a, b] = written(note(), note()) as [Change, Change]
  const stored = (heads: string[], records: readonly Change[]): Observation => ({
    saw: 'stored',
    at,
    head: { workflow: 'w', count: 2, heads, runningHash: '' },
    records: records.map(({ id, bytes }) => ({ id, bytes })),
  })
  const both = [durable(a, 1), durable(b, 2)]

  it('[DUR-4] passes what was written', () => {
    expect(lawsBroken(durability(), ...both, stored([b.id], [a, b]))).toEqual([])
  })

  it('[DUR-4] finds a head, an id and bytes that are others', () => {
    expect(lawsBroken(durability(), ...both, stored([a.id], []))).toEqual(['DUR-4'])
    expect(lawsBroken(durability(), ...both, stored([b.id], [b]))).toEqual(['DUR-4'])
    const flipped = Uint8Array.from(a.bytes)
    flipped[9]! ^= 1
    const damaged = { ...stored([b.id], []), records: [{ id: a.id, bytes: flipped }] }
    expect(lawsBroken(durability(), ...both, damaged as Observation)).toEqual(['DUR-4'])
  })

  it('[DUR-5] finds what a rollback has taken and nobody has given back', () => {
    const lost: Observation = { saw: 'lost', at, position: 2 }
    const before = [...both, acked(a, 1), acked(b, 2), lost]
    expect(lawsBroken(durability(), ...before, log(a))).toEqual(['DUR-5'])
    expect(lawsBroken(durability(), ...before, durable(b, 2), log(a, b))).toEqual([])
  })

  it('[DUR-1] [DUR-5] knows an ack that was under way meanwhile, and nobody who has connected since is told so', () => {
    const lost: Observation = { saw: 'lost', at, position: 2 }
    const before = [...both, acked(a, 1), lost]
    expect(lawsBroken(durability(), ...before, acked(b, 2), log(a))).toEqual(['DUR-5'])
    expect(lawsBroken(durability(), ...before, acked(b, 2), durable(b, 2), log(a, b))).toEqual([])
    const connecting: Observation = { saw: 'connecting', tenant: 'acme', process: 'acme-1#1' }
    expect(lawsBroken(durability(), ...before, connecting, acked(b, 2))).toEqual(['DUR-1'])
  })
})

describe('steps', () => {
  const [before, step] = written(note(), note()) as [Change, Change]
  const stepped = (heads: string[], shown: string[] = []): Observation => ({
    saw: 'stepped',
    at,
    id: step.id,
    heads,
    shown,
  })

  it('[STP-1] finds a step that claims to have seen more than it began at, and one that was shown more', () => {
    const come = [arrived(before), arrived(step)]
    expect(lawsBroken(steps(), ...come, stepped([before.id], [before.id]))).toEqual([])
    expect(lawsBroken(steps(), ...come, stepped([]))).toEqual(['STP-1'])
    expect(lawsBroken(steps(), ...come, stepped([before.id], [step.id]))).toEqual(['STP-1'])
  })
})

describe('credentials', () => {
  const answered = (peer_ms: number, now_ms = peer_ms): Observation => ({
    saw: 'answered',
    process,
    token: { id: 't', tenant: 'acme', issued_s: 0, expires_ms: 1_000 },
    peer_ms,
    now_ms,
  })

  it('[TEN-5] finds who is answered though the token has expired or was revoked', () => {
    expect(lawsBroken(credentials(), answered(1_200))).toEqual([])
    expect(lawsBroken(credentials(), answered(1_300))).toEqual(['TEN-5'])
    const revoked: Observation = { saw: 'revoked', tenant: 'acme', token: 't', now_ms: 100 }
    expect(lawsBroken(credentials(), answered(200), revoked, answered(300))).toEqual([])
    expect(lawsBroken(credentials(), revoked, answered(500))).toEqual(['TEN-5'])
    const flipped = (isOverlay: boolean): Observation => ({ saw: 'flipped', tenant: 'acme', isOverlay })
    expect(lawsBroken(credentials(), revoked, flipped(true), answered(500))).toEqual([])
    expect(lawsBroken(credentials(), revoked, flipped(false), answered(500))).toEqual(['TEN-5'])
  })

  it("[SES-3] finds a session's token that is good for another context", () => {
    const trespass: Observation = { saw: 'trespass', tenant: 'acme', of: placeOf('bolt', 'w'), on: 'w' }
    expect(lawsBroken(credentials(), trespass)).toEqual(['SES-3'])
  })
})

describe('causality', () => {
  const [a, b, c] = written(note(), note(), note()) as [Change, Change, Change]

  it('[CHG-2] [CHG-3] [DUR-2] passes changes that come after their deps', () => {
    const branch = branchOf([a, b, c])
    expect(
      lawsBroken(causality(), arrived(a), arrived(b), durable(a, 1), durable(b, 2), arrived(c), branch),
    ).toEqual([])
  })

  it('[CHG-3] finds a change that a replica takes in before its deps', () => {
    expect(lawsBroken(causality(), arrived(a), arrived(c))).toEqual(['CHG-3'])
  })

  it('[DUR-2] finds a log that holds a change before its deps', () => {
    expect(lawsBroken(causality(), durable(b, 1), durable(a, 2))).toEqual(['DUR-2'])
  })

  it('[CHG-2] finds an actor that is used again', () => {
    const [, again] = written(note(), {
      ...note(),
      notes: { reason: 'another second change of the same actor' },
    })
    expect(again!.header.actor).toBe(b.header.actor)
    expect(lawsBroken(causality(), arrived(a), arrived(b), arrived(again!))).toEqual(['CHG-2'])
  })

  it('[CHG-2] finds a clock that is forged', () => {
    const late = forged(b, { lamport: 7 })
    expect(lawsBroken(causality(), arrived(a), arrived(late))).toEqual(['CHG-2'])
  })

  it('[ORD-1] finds a branch that shows a change before what it depends on', () => {
    expect(lawsBroken(causality(), arrived(a), arrived(b), branchOf([b, a]))).toEqual(['ORD-1'])
  })
})

function branchOf(shown: readonly Change[], stale: readonly string[] = [], told = stale): Observation {
  return {
    saw: 'branch',
    at,
    process,
    branch: 'main',
    heads: [],
    order: shown.map(({ id }) => id),
    stale,
    told: new Set(told),
  }
}

describe('staleness', () => {
  const source = written(note())[0]!
  const entry = `${source.id}.0`
  const writer = new BranchWriter(new ChangeSet(sha256), seededHost(2), 'main', 'agent')
  writer.set.add(source)
  const reader = writer.write(note('ext:doc/1@v1', `entry:${entry}`))!
  const derived = writer.write(note(`entry:${reader.id}.0`))!
  const touch = writer.write({ writes: ['ext:doc/1@v2'] })!
  const all = [source, reader, derived, touch]
  const stale = [`${reader.id}.0`, `${derived.id}.0`]
  const come = all.map(arrived)

  it('[STL-3] [STL-4] [STL-5] passes what the headers make stale', () => {
    expect(lawsBroken(staleness(), ...come, branchOf(all, stale))).toEqual([])
    expect(lawsBroken(staleness(), ...come, branchOf([source, reader, derived]))).toEqual([])
  })

  it('[STL-4] finds staleness that is not transitive', () => {
    expect(lawsBroken(staleness(), ...come, branchOf(all, stale.slice(0, 1)))).toEqual(['STL-4'])
  })

  it('[STL-3] finds staleness that nothing explains', () => {
    expect(lawsBroken(staleness(), ...come, branchOf(all, [...stale, entry]))).toEqual(['STL-3'])
  })

  it('[STL-5] finds what became stale and was never told', () => {
    expect(lawsBroken(staleness(), ...come, branchOf(all, stale, []))).toEqual(['STL-5'])
  })
})

describe('sessions', () => {
  const [a, b] = written(note(), note()) as [Change, Change]
  const session = (shown: readonly Change[], known: readonly Change[]): Observation => ({
    saw: 'session',
    at,
    session: 's',
    known: known.map(({ id }) => id),
    shown: new Set(shown.map(({ id }) => id)),
  })

  it('[SES-1] finds a session that is not shown what it wrote and saw', () => {
    expect(lawsBroken(sessions(), session([a, b], [a]))).toEqual([])
    expect(lawsBroken(sessions(), session([b], [a]))).toEqual(['SES-1'])
  })

  it('[SES-1] finds a write that comes before what its session had seen', () => {
    const write: Observation = { saw: 'session-write', at, session: 's', id: b.id, known: [a.id] }
    expect(lawsBroken(sessions(), write, log(a, b))).toEqual([])
    expect(lawsBroken(sessions(), write, log(b, a))).toEqual(['SES-1'])
  })
})

describe('convergence', () => {
  const digest = (digest: string, frontier: string[], isLast = false, by = process): Observation => ({
    saw: 'digest',
    at,
    process: by,
    frontier,
    digest,
    isLast,
  })

  it('[CHG-4] finds equal sets that differ', () => {
    expect(
      lawsBroken(convergence(), digest('d1', ['x', 'y']), digest('d1', ['y', 'x']), digest('d2', ['x'])),
    ).toEqual([])
    expect(lawsBroken(convergence(), digest('d1', ['x', 'y']), digest('d2', ['y', 'x']))).toEqual(['CHG-4'])
  })

  it('[ORD-2] finds a branch that is shown in two orders', () => {
    const [a, b] = written(note(), note()) as [Change, Change]
    expect(lawsBroken(convergence(), branchOf([a, b]), branchOf([a, b]))).toEqual([])
    expect(lawsBroken(convergence(), branchOf([a, b]), branchOf([b, a]))).toEqual(['ORD-2'])
  })

  it('[MRG-1] finds replicas that hold different sets when all is well again', () => {
    expect(
      lawsBroken(convergence(), digest('d1', ['x'], true), digest('d2', ['y'], false, 'acme-2#1')),
    ).toEqual([])
    expect(
      lawsBroken(convergence(), digest('d1', ['x'], true), digest('d2', ['y'], true, 'acme-2#1')),
    ).toEqual(['MRG-1'])
  })
})

describe('tenants', () => {
  const [a] = written(note()) as [Change]

  it('[TEN-1] [TEN-2] passes what a tenant has written itself', () => {
    expect(
      lawsBroken(tenants(), offered(a), durable(a, 1), { saw: 'served', at, process, change: a }),
    ).toEqual([])
  })

  it('[TEN-2] finds what another tenant wrote under its name on the disk, and rows of nobody', () => {
    expect(lawsBroken(tenants(), offered(a, 'bolt'), durable(a, 1))).toEqual(['TEN-2'])
    expect(lawsBroken(tenants(), { saw: 'stray', key: 'l\0w\x0000000000000001' })).toEqual(['TEN-2'])
  })

  it('[TEN-1] finds what another tenant wrote on the way to its replicas', () => {
    expect(lawsBroken(tenants(), offered(a, 'bolt'), { saw: 'served', at, process, change: a })).toEqual([
      'TEN-1',
    ])
  })

  it('[DUR-4] finds what is no change at all', () => {
    expect(lawsBroken(tenants(), { saw: 'garbled', at, process, position: 3 })).toEqual(['DUR-4'])
  })

  it('[DUR-4] finds what nobody has written', () => {
    expect(lawsBroken(tenants(), { saw: 'served', at, process, change: a })).toEqual(['DUR-4'])
  })
})

describe('overlays', () => {
  const barrier: Observation = { saw: 'barrier', tenant: 'acme', name: 'house', version: 2 }
  const step = (version: number, tenant = 'acme'): Observation => ({
    saw: 'step',
    tenant,
    process,
    overlays: { house: version },
  })
  const committed = (version: number) =>
    durable(written({ ...note(), notes: { overlays: { house: version } } })[0]!, 1)

  it('[OVL-3] finds a step that begins behind a barrier under an older version', () => {
    expect(lawsBroken(overlays(), step(1), barrier, step(2), step(1, 'bolt'))).toEqual([])
    expect(lawsBroken(overlays(), barrier, step(1))).toEqual(['OVL-3'])
  })

  it('[OVL-3] finds one that is committed behind it', () => {
    expect(lawsBroken(overlays(), committed(1), barrier, committed(2))).toEqual([])
    expect(lawsBroken(overlays(), barrier, committed(1))).toEqual(['OVL-3'])
  })
})

describe('leases', () => {
  const on = 'branch:main'
  const grant = (epoch: number) => written({ notes: { lease: { on, epoch, ttl_ms: 10 } } })[0]!
  const under = (epoch: number) => written({ ...note(), notes: { under: { [on]: epoch } } })[0]!
  const holds = (epoch: number): Observation => ({ saw: 'lease', at, process, on, epoch })

  it('[HND-3] finds a commit under an epoch that is over', () => {
    expect(lawsBroken(leases(), durable(grant(1), 1), durable(under(1), 2), durable(grant(2), 3))).toEqual([])
    expect(lawsBroken(leases(), durable(grant(1), 1), durable(grant(2), 2), durable(under(1), 3))).toEqual([
      'HND-3',
    ])
  })

  it('[HND-3] finds an epoch that is granted twice, or left out', () => {
    expect(lawsBroken(leases(), durable(grant(1), 1), durable(grant(1), 2))).toEqual(['HND-3'])
    expect(lawsBroken(leases(), durable(grant(2), 1))).toEqual(['HND-3'])
  })

  it('[HND-3] finds a worker that holds what was granted to another', () => {
    expect(lawsBroken(leases(), durable(grant(1), 1), holds(1))).toEqual([])
    expect(lawsBroken(leases(), durable(grant(1), 1), durable(grant(2), 2), holds(1))).toEqual(['HND-3'])
  })
})
