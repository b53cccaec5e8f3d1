import { defineOverlay } from '@weft/replica'
import { z } from 'zod'
import { Conversation, type ConversationContext } from './conversation.js'
import { EmbeddedPeer } from './embedded-peer.js'
import type { Verdict } from './mistake.js'
import { count, quote } from './quote.js'
import { refusalOf } from './refusal.js'
import { SharedStore } from './shared-store.js'
import { VirtualTime } from './virtual-time.js'
import type { Workload } from './workload.js'

export const title = 'Overlays taken for static configuration'
export const usual = "the tenant's rules are loaded when a worker starts"
export const cure = 'rules are versioned and pushed; after a barrier no step begins or commits under old ones'
export const laws = ['OVL-2', 'OVL-3']

interface Decision {
  readonly text: string
  /** The version of the rules that it was made under. */
  readonly rules: number
}

export interface Outcome {
  /** The rule that is in version 1, and not in version 2. */
  readonly withdrawn: string
  /** What was decided before the withdrawal was confirmed, and what after. */
  readonly before: readonly Decision[]
  readonly after: readonly Decision[]
  /** What the turn was refused with that was running when the rule was withdrawn; null when it was not. */
  readonly refused: string | null
}

const Compliance = defineOverlay('compliance', z.object({ rules: z.array(z.string()) }))

interface Rules {
  readonly version: number
  readonly rules: readonly string[]
}

/**
 * Rules are configuration: read at the start, kept in memory. Reloading them every minute makes the time shorter in
 * which a withdrawn rule is followed, and no turn that has begun hears of it at all.
 */
export async function naive(workload: Workload): Promise<Outcome> {
  const { workflow, constraint } = workload
  const [old, next] = rulesOf(workload)
  const time = new VirtualTime()
  const store = new SharedStore(time).primary
  const key = `decisions:${workflow}`
  const decisions = async (): Promise<Decision[]> => (await store.lrange(key)).map(text => JSON.parse(text))

  async function startWorker(): Promise<(text: string, think_ms: number) => Promise<void>> {
    const { version } = JSON.parse((await store.get('rules'))!) as Rules
    return async (text, think_ms) => {
      await time.sleep(think_ms)
      await store.rpush(key, JSON.stringify({ text, rules: version } satisfies Decision))
    }
  }

  return time.run(async () => {
    await store.set('rules', JSON.stringify(old))
    const turn = await startWorker()
    const [first, second, third] = lastThree(workload)
    await turn(first, 1_000)
    const running = turn(second, 3_000)
    await store.set('rules', JSON.stringify(next))
    const before = await decisions()
    await running
    await turn(third, 1_000)
    const after = (await decisions()).slice(before.length)
    return { withdrawn: constraint, before, after, refused: null }
  })
}

/**
 * Rules are versioned, and pushed. `publish` with a barrier returns when no worker can begin or commit a step under an
 * older version: the running one is told, what it wrote is not taken, and its turn is made again under the new rules.
 */
export function weft(workload: Workload): Promise<Outcome> {
  return EmbeddedPeer.use(peer => withdrawOn(peer, workload), { limits: { overlay_lease_ms: LEASE_MS } })
}

/** A barrier that follows the start of its peer waits as long: there may be workers whom the last peer told. */
const LEASE_MS = 500

async function withdrawOn(peer: EmbeddedPeer, workload: Workload): Promise<Outcome> {
  const { workflow, constraint } = workload
  const [old, next] = rulesOf(workload)
  const [first, second, third] = lastThree(workload)
  const { overlays } = await peer.replica({ admin: true })
  await overlays.publish(Compliance, { rules: [...old.rules] })
  const replica = await peer.replica({ overlays: true })
  const worker = await replica.open(Conversation, { workflow, agent: 'worker' })
  const turn = (text: string, think: Promise<void>, begun: () => void = () => {}) =>
    worker.step('turn', async step => {
      const { version } = step.overlay(Compliance)!
      begun()
      await think
      step.append('decision', { by: 'worker', text, rules: version })
    })

  await turn(first, Promise.resolve())
  const thought = signal()
  const begun = signal()
  const running = refusalOf(turn(second, thought.given, begun.give))
  await begun.given
  await overlays.publish(Compliance, { rules: [...next.rules] }, { barrier: true })
  const before = decisionsOf(worker)
  thought.give()
  const refused = await running
  if (refused) await turn(second, Promise.resolve())
  await turn(third, Promise.resolve())
  const after = decisionsOf(worker).slice(before.length)
  return { withdrawn: constraint, before, after, refused }
}

function signal(): { readonly given: Promise<void>; readonly give: () => void } {
  let give = (): void => {}
  const given = new Promise<void>(resolve => {
    give = resolve
  })
  return { given, give: () => give() }
}

function decisionsOf(context: ConversationContext): Decision[] {
  return context.entries().flatMap(({ kind, value }) => {
    return kind === 'decision' ? [{ text: value.text, rules: value.rules ?? 0 }] : []
  })
}

function rulesOf({ rules, constraint }: Workload): [Rules, Rules] {
  return [
    { version: 1, rules },
    { version: 2, rules: rules.filter(rule => rule !== constraint) },
  ]
}

function lastThree({ attempts: [{ answers }] }: Workload): [string, string, string] {
  const at = (back: number): string => answers.at(-back) ?? answers[0]!
  return [at(3), at(2), at(1)]
}

export function check({ withdrawn, after, refused }: Outcome): Verdict {
  const late = after.filter(({ rules }) => rules < 2)
  if (late.length > 0) {
    const made = `${count(late.length, 'decision')} after its withdrawal, first ${quote(late[0]!.text)}`
    return { corrupted: true, says: `${quote(withdrawn)} still governed ${made}` }
  }
  if (after.length !== 2) return { corrupted: true, says: `${after.length} of 2 turns came to a decision` }
  const ended = refused ? `; the turn that was running was refused (${refused}) and made again` : ''
  return { corrupted: false, says: `${quote(withdrawn)} governed nothing after its withdrawal${ended}` }
}
