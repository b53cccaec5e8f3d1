import {
  BranchWriter,
  type Change,
  ChangeSet,
  OVERLAY_KIND,
  OVERLAY_WORKFLOW,
  overlayRef,
  REVOCATIONS_OVERLAY,
} from '@weft/core'
import {
  causality,
  credentials,
  drops,
  durability,
  heads,
  leases,
  type Observation,
  overlays,
  placeOf,
  preconditions,
  sessions,
} from '@weft/testkit'
import { describe, expect, it } from 'vitest'
import { seededHost, sha256 } from '../support/core-property.ts'
import { lawsBroken } from '../support/sim-court.ts'

const tenant = 'acme'
const at = placeOf(tenant, 'w')
const process = 'acme-1#1'
const SENT_AWAY = 'WEFT_TOKEN_REVOKED'

const writer = (agent = 'agent'): BranchWriter =>
  new BranchWriter(new ChangeSet(sha256), seededHost(1), 'main', agent)
const written = (): Change => writer().write({ entries: [{ kind: 'note', value: 1 }] })!

/** What a peer leaves of a tenant that was dropped in a second. */
function revoking(all: number): Change {
  const { name } = REVOCATIONS_OVERLAY
  return writer('weft-peer').write({
    entries: [{ kind: OVERLAY_KIND, value: { tokens: {}, subjects: {}, all } }],
    writes: [overlayRef(name, 1)],
    notes: { publishes: { name, version: 1, enforce: 'advisory' }, reason: 'the tenant was dropped' },
  })!
}

const change = written()
const dropping = (...connected: readonly string[]): Observation => ({ saw: 'dropping', tenant, connected })
const removed = (heads = 1, changes = 1, left = 0): Observation => ({
  saw: 'removed',
  tenant,
  heads,
  changes,
  left,
})
const revoked: Observation = {
  saw: 'durable',
  at: placeOf(tenant, OVERLAY_WORKFLOW),
  position: 1,
  change: revoking(9),
}
const LEFT = [
  `${tenant}\0h\0${OVERLAY_WORKFLOW}`,
  `${tenant}\0l\0${OVERLAY_WORKFLOW}\x0000000000000001`,
  `!usage\0${tenant}`,
]
const dropped = (rows = LEFT, workflows = 1, changes = 1): Observation => ({
  saw: 'dropped',
  ...{ tenant, workflows, changes, rows },
})
const whole = [dropping(), removed(), revoked, dropped()]
const durable = (position = 1): Observation => ({ saw: 'durable', at, change, position })
const offered: Observation = { saw: 'offered', at, process, change }
const answered = (issued_s: number): Observation => ({
  saw: 'answered',
  process,
  token: { id: 't', tenant, issued_s, expires_ms: 1e6 },
  ...{ peer_ms: 10_000, now_ms: 10_000 },
})
const ended = (code: string): Observation => ({ saw: 'ended', tenant, process, code })
const connecting: Observation = { saw: 'connecting', tenant, process }
const undropped: Observation = { saw: 'undropped', tenant }

describe('drops', () => {
  it('[TEN-4] passes a tenant that is gone with all that it had, and begins anew', () => {
    const anew = [connecting, answered(10), offered, durable()]
    expect(lawsBroken(drops(), offered, durable(), ...whole, ...anew)).toEqual([])
  })

  it('[TEN-4] passes one that had nothing yet', () => {
    expect(lawsBroken(drops(), dropping(), revoked, dropped(LEFT, 0, 0))).toEqual([])
  })

  it('[TEN-4] passes one that was cut short, and asked for again', () => {
    const again = [dropping(), revoked, dropped(LEFT, 0, 0)]
    expect(lawsBroken(drops(), dropping(), undropped, removed(), ...again)).toEqual([])
    expect(lawsBroken(drops(), dropping(), undropped, answered(1), ...whole)).toEqual([])
  })

  it('[TEN-4] finds rows that are left, and rows that were removed and not told of', () => {
    for (const row of [`!dropping\0${tenant}`, `${tenant}\0h\0w`, `${tenant}\0l\0w\x0000000000000001`])
      expect(lawsBroken(drops(), dropping(), removed(), revoked, dropped([...LEFT, row]))).toEqual(['TEN-4'])
    expect(lawsBroken(drops(), dropping(), removed(2, 3), revoked, dropped(LEFT, 2, 2))).toEqual(['TEN-4'])
  })

  it('[TEN-4] finds who loses rows though nobody wanted that', () => {
    expect(lawsBroken(drops(), removed())).toEqual(['TEN-4'])
    expect(lawsBroken(drops(), ...whole, removed())).toEqual(['TEN-4'])
  })

  it('[TEN-4] finds what is there again though nobody has offered it since', () => {
    expect(lawsBroken(drops(), offered, durable(), ...whole, durable())).toEqual(['TEN-4'])
  })

  it('[TEN-4] finds whose connection ends, and who is not told why', () => {
    const [before, ...after] = [dropping(process), removed(), revoked, dropped()]
    expect(lawsBroken(drops(), before!, ended(SENT_AWAY), ...after)).toEqual([])
    expect(lawsBroken(drops(), before!, ended('WEFT_STORE_FAILED'), ...after)).toEqual(['TEN-4'])
    expect(lawsBroken(drops(), before!, ...after)).toEqual(['TEN-4'])
  })

  it('[TEN-4] finds who is answered meanwhile, or by a token from before', () => {
    expect(lawsBroken(drops(), dropping(), answered(20), ...whole.slice(1))).toEqual(['TEN-4'])
    expect(lawsBroken(drops(), ...whole, answered(9))).toEqual(['TEN-4'])
    expect(lawsBroken(drops(), dropping(), removed(), dropped())).toEqual(['TEN-4'])
  })

  it('[TEN-4] finds who is answered from what is left by a drop that was cut short, or before it has revoked', () => {
    const cut = [dropping(), removed(1, 1, 3), undropped]
    expect(lawsBroken(drops(), ...cut, answered(20))).toEqual(['TEN-4'])
    expect(lawsBroken(drops(), ...cut, removed(1, 2, 0), answered(20))).toEqual(['TEN-4'])
    expect(lawsBroken(drops(), ...cut, removed(1, 2, 0), revoked, answered(20))).toEqual([])
    expect(lawsBroken(drops(), ...cut, removed(1, 2, 0), revoked, answered(9))).toEqual(['TEN-4'])
  })

  it('does not know what is revoked where that is damaged', () => {
    const flipped = (isOverlay: boolean): Observation => ({ saw: 'flipped', tenant, isOverlay })
    expect(lawsBroken(drops(), ...whole, flipped(true), answered(9))).toEqual([])
    expect(lawsBroken(drops(), ...whole, flipped(false), answered(9))).toEqual(['TEN-4'])
  })
})

describe('what was known of a tenant that was dropped', () => {
  const acked = (position: number, by = process): Observation => ({
    saw: 'acked',
    ...{ at, process: by, id: change.id, position },
  })
  const log = (...ids: string[]): Observation => ({ saw: 'log', at, ids })

  it('[DUR-1] is no loss, and neither is an ack of it that was under way', () => {
    const before = [durable(), acked(1), removed()]
    expect(lawsBroken(durability(), ...before, log())).toEqual([])
    expect(lawsBroken(durability(), ...before, acked(1), log())).toEqual([])
    expect(lawsBroken(durability(), ...before, acked(1), removed(0, 0), acked(1), log())).toEqual([])
  })

  it('[DUR-1] is no loss either when what came after it was dropped, too', () => {
    const other = writer('other').write({ entries: [{ kind: 'note', value: 2 }] })!
    const twice = [durable(), removed(), { ...durable(), change: other } as Observation, removed()]
    expect(lawsBroken(durability(), ...twice, acked(1), log())).toEqual([])
    expect(lawsBroken(durability(), ...twice, connecting, acked(1))).toEqual(['DUR-1'])
  })

  it('[DUR-1] is a loss where nothing was removed', () => {
    expect(lawsBroken(durability(), durable(), acked(1), log())).toEqual(['DUR-1'])
    const other: Observation = { ...removed(), tenant: 'bolt' } as Observation
    expect(lawsBroken(durability(), durable(), acked(1), other, log())).toEqual(['DUR-1'])
  })

  it('[DUR-1] is acknowledged to nobody who has connected since', () => {
    expect(lawsBroken(durability(), durable(), removed(), connecting, acked(1))).toEqual(['DUR-1'])
    expect(lawsBroken(durability(), durable(), removed(), durable(2), acked(2), log())).toEqual(['DUR-1'])
  })

  it('[DUR-2] [CHG-2] is not there for what begins anew', () => {
    const one = writer()
    const [first, second] = [1, 2].map(value => one.write({ entries: [{ kind: 'note', value }] })!)
    const in1 = (each: Change): Observation => ({ saw: 'durable', at, change: each, position: 1 })
    expect(lawsBroken(durability(), in1(first!), removed(), in1(second!))).toEqual([])
    expect(lawsBroken(causality(), in1(first!), { ...durable(2), change: second! } as Observation)).toEqual(
      [],
    )
    expect(lawsBroken(causality(), in1(first!), removed(), in1(second!))).toEqual(['DUR-2'])
    expect(lawsBroken(heads(), in1(first!), removed(), in1(second!), log())).toEqual([])
  })

  it('[HND-3] [OVL-3] [TEN-5] [SES-1] [DUR-6] binds nobody any more', () => {
    const on = 'branch:main'
    const lease = (epoch: number): Observation => ({
      ...{ saw: 'durable', at, position: epoch },
      change: writer().write({ notes: { lease: { on, epoch, ttl_ms: 10 } } })!,
    })
    const holds: Observation = { saw: 'lease', at, process, on, epoch: 1 }
    const granted = [lease(1), holds, removed(), lease(1), lease(2)]
    expect(lawsBroken(leases(), ...granted, holds)).toEqual([])
    expect(lawsBroken(leases(), ...granted, { ...holds, process: 'acme-2#1' })).toEqual(['HND-3'])
    const barrier: Observation = { saw: 'barrier', tenant, name: 'house', version: 2 }
    const step: Observation = { saw: 'step', tenant, process, overlays: { house: 1 } }
    expect(lawsBroken(overlays(), barrier, removed(), step)).toEqual([])
    const gone: Observation = { saw: 'revoked', tenant, token: 't', now_ms: 100 }
    expect(lawsBroken(credentials(), gone, answered(1))).toEqual(['TEN-5'])
    expect(lawsBroken(credentials(), gone, removed(), answered(1))).toEqual([])
    const write: Observation = { saw: 'session-write', at, session: 's', id: change.id, known: ['x'] }
    expect(lawsBroken(sessions(), write, log(change.id))).toEqual(['SES-1'])
    expect(lawsBroken(sessions(), write, removed(), log(change.id))).toEqual([])
    const other = writer('other').write({ entries: [{ kind: 'note', value: 2 }] })!
    const asked: Observation = {
      ...{ saw: 'proposed', at, id: change.id },
      preconditions: { heads: [{ branch: 'main', ids: [] }], unmoved: [] },
    }
    const taken: Observation[] = [{ saw: 'durable', at, change: other, position: 1 }, durable(2)]
    expect(lawsBroken(preconditions(), asked, ...taken)).toEqual(['DUR-6'])
    expect(lawsBroken(preconditions(), asked, removed(), ...taken)).toEqual([])
  })
})
