import type { Context, Replica } from '@weft/replica'
import { describe, expect, it } from 'vitest'
import { type Dice, pick, seededDice } from '../support/core-property.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { type SessionEvent, violations } from '../support/session-history.ts'
import { Plan } from '../support/steps-peer.ts'

const SESSIONS = 8
const REPLICAS = 3
const OPERATIONS = Number(process.env.WEFT_SESSION_OPERATIONS ?? 2_000)
const OPERATIONS_PER_CONTEXT = 200
/** New replicas after these: a long run would outlive their tokens, and wait at each restart for every context yet. */
const OPERATIONS_PER_REPLICA = 2_000
const SEED = Number(process.env.WEFT_SEED ?? 20_261_122)

type PlanContext = Awaited<ReturnType<typeof openPlan>>

function openPlan(replica: Replica, workflow: string, agent: string, after?: string) {
  return replica.open(Plan, { workflow, agent, ...(after !== undefined && { after }) })
}

/** One session after another writes, reads, or goes on at another replica; now and then the peer is restarted. */
class Play {
  readonly history: SessionEvent[] = []
  readonly #contexts: PlanContext[] = []
  #name = 0

  constructor(
    private readonly peer: PeerHarness,
    private readonly replicas: readonly Replica[],
    private readonly workflow: string,
    private readonly dice: Dice,
    private readonly carryToken: boolean,
  ) {}

  async run(operations: number): Promise<readonly number[]> {
    for (let session = 0; session < SESSIONS; session++) {
      this.#contexts.push(await openPlan(pick(this.replicas, session), this.workflow, `session-${session}`))
    }
    for (let i = 0; i < operations; i++) await this.#operate(this.dice(SESSIONS))
    if (this.carryToken) await this.peer.restart()
    const last = this.#contexts[0]!
    for (const context of this.#contexts) await last.reach(await context.token())
    const positioned = namesOf(last).map(({ name, change }) => ({ name, position: last.positionOf(change)! }))
    return positioned.sort((a, b) => a.position - b.position).map(({ name }) => name)
  }

  async #operate(session: number): Promise<void> {
    const context = this.#contexts[session]!
    const roll = this.dice(10)
    if (roll < 5) {
      const name = ++this.#name
      context.append('memory', { text: String(name) })
      this.history.push({ session, did: 'write', name })
    } else if (roll < 8) {
      this.history.push({ session, did: 'read', saw: namesOf(context).map(({ name }) => name) })
    } else {
      await this.#move(session, context)
    }
  }

  async #move(session: number, context: PlanContext): Promise<void> {
    const token = this.carryToken ? await context.token() : undefined
    const replica = pick(this.replicas, this.dice(REPLICAS))
    if (this.carryToken && this.dice(OPERATIONS_PER_CONTEXT / 5) === 0) await this.peer.restart()
    this.#contexts[session] = await openPlan(replica, this.workflow, `session-${session}`, token)
  }
}

function namesOf(context: Context<never, typeof Plan.entries> | PlanContext) {
  return context
    .entries()
    .map(entry => ({ name: Number((entry.value as { text: string }).text), change: entry.change }))
}

describe('sessions', () => {
  it(`[SES-1] ${OPERATIONS} random operations of ${SESSIONS} sessions over ${REPLICAS} replicas keep every guarantee`, async () => {
    const peer = await PeerHarness.start()
    const dice = seededDice(SEED)
    for (let done = 0; done < OPERATIONS; done += OPERATIONS_PER_REPLICA) {
      const replicas = await Promise.all(Array.from({ length: REPLICAS }, () => peer.connect()))
      try {
        const end = Math.min(done + OPERATIONS_PER_REPLICA, OPERATIONS)
        for (let at = done; at < end; at += OPERATIONS_PER_CONTEXT) {
          const play = new Play(peer, replicas, `wf-${at}`, dice, true)
          const log = await play.run(OPERATIONS_PER_CONTEXT)
          expect(violations(play.history, log), `seed ${SEED}, context wf-${at}`).toEqual([])
          expect(play.history.filter(event => event.did === 'write')).toHaveLength(log.length)
        }
      } finally {
        await Promise.all(replicas.map(replica => replica.close({ discard: true })))
      }
    }
  })

  it('[SES-1] without tokens the same play breaks them: the guarantees are the tokens’ doing', async () => {
    const peer = await PeerHarness.start()
    peer.gate.turns = 20
    const replicas = await Promise.all(Array.from({ length: REPLICAS }, () => peer.replica()))
    const play = new Play(peer, replicas, 'wf', seededDice(SEED), false)
    const log = await play.run(OPERATIONS_PER_CONTEXT)
    expect(violations(play.history, log).length).toBeGreaterThan(0)
  })

  it.each<[string, readonly SessionEvent[], readonly number[]]>([
    [
      'read your writes',
      [
        { session: 1, did: 'write', name: 1 },
        { session: 1, did: 'read', saw: [] },
      ],
      [1],
    ],
    [
      'monotonic reads',
      [
        { session: 1, did: 'read', saw: [1] },
        { session: 1, did: 'read', saw: [2] },
      ],
      [1, 2],
    ],
    [
      'monotonic writes',
      [
        { session: 1, did: 'write', name: 1 },
        { session: 1, did: 'write', name: 2 },
      ],
      [2, 1],
    ],
    [
      'writes follow reads',
      [
        { session: 1, did: 'read', saw: [1] },
        { session: 1, did: 'write', name: 2 },
      ],
      [2, 1],
    ],
  ])('the checker finds a planted violation of %s, and none where two sessions know nothing of each other', (name, history, log) => {
    expect(violations(history, log).map(({ guarantee }) => guarantee)).toContain(name)
    const apart = history.map((event, index) => ({ ...event, session: index }))
    expect(violations(apart, log)).toEqual([])
  })
})
