import { Conversation } from './conversation.js'
import { EmbeddedPeer } from './embedded-peer.js'
import type { Verdict } from './mistake.js'
import { quote } from './quote.js'
import { refusalOf } from './refusal.js'
import { SharedStore } from './shared-store.js'
import { VirtualTime } from './virtual-time.js'
import type { Workload } from './workload.js'

export const title = "Tenants' keys collide"
export const usual = 'a thread is found by its id, and a key is made by joining ids with ":"'
export const cure = 'the tenant is in the credential and in every key, and no id may hold a separator'
export const laws = ['TEN-1', 'TEN-2', 'TEN-3']

interface Owned {
  readonly tenant: string
  readonly text: string
}

/** A tenant's visit to a workflow of its own, where it writes one message and then reads what is there. */
export interface Visit {
  readonly tenant: string
  readonly workflow: string
  readonly wrote: string
  readonly read: readonly Owned[]
  /** The code of the error that it was refused with: then it wrote nothing. */
  readonly refused: string | null
}

export interface Outcome {
  /** Two tenants that use the same workflow id. */
  readonly sameId: readonly Visit[]
  /** Two tenants whose ids, joined with ":", read the same. */
  readonly sameKey: readonly Visit[]
}

type Visitor = (tenant: string, workflow: string, text: string) => Promise<Visit>

/**
 * Frameworks keep a conversation under its thread id, and the application takes its workflow id for that. Who knows of
 * tenants puts theirs before it; joined with a separator that ids may hold, two addresses become one key.
 */
export async function naive(workload: Workload): Promise<Outcome> {
  const time = new VirtualTime()
  const store = new SharedStore(time).primary
  const visitBy = (keyOf: (tenant: string, workflow: string) => string): Visitor => {
    return async (tenant, workflow, text) => {
      const key = keyOf(tenant, workflow)
      await store.rpush(key, JSON.stringify({ tenant, text }))
      const read = (await store.lrange(key)).map(item => JSON.parse(item) as Owned)
      return { tenant, workflow, wrote: text, read, refused: null }
    }
  }
  return time.run(() =>
    visits(
      workload,
      visitBy((_, workflow) => `thread:${workflow}`),
      visitBy((tenant, workflow) => `memory:${tenant}:${workflow}`),
    ),
  )
}

/** The tenant is what the credential says, and ids with a separator in them are refused wherever they turn up. */
export function weft(workload: Workload): Promise<Outcome> {
  return EmbeddedPeer.use(peer => {
    const visit: Visitor = async (tenant, workflow, text) => {
      let read: Owned[] = []
      const visiting = async (): Promise<void> => {
        const replica = await peer.replica({ tenant })
        const context = await replica.open(Conversation, { workflow, agent: 'agent' })
        await context.append('message', { by: tenant, text }).committed
        read = context.entries().map(({ value }) => ({ tenant: value.by, text: value.text }))
      }
      const refused = await refusalOf(visiting())
      return { tenant, workflow, wrote: text, read, refused }
    }
    return visits(workload, visit, visit)
  })
}

async function visits({ workflow, attempts }: Workload, thread: Visitor, memory: Visitor): Promise<Outcome> {
  const [one, other] = attempts.map(({ answers }) => answers.at(-1)!) as [string, string]
  return {
    sameId: [await thread('acme', workflow, one), await thread('globex', workflow, other)],
    sameKey: [await memory('acme', `eu:${workflow}`, one), await memory('acme:eu', workflow, other)],
  }
}

export function check({ sameId, sameKey }: Outcome): Verdict {
  const all = [...sameId, ...sameKey]
  const leaks = [sameId, sameKey].flatMap(leaksIn)
  if (leaks.length > 0) return { corrupted: true, says: leaks.join('; ') }
  const lost = all.filter(({ refused, wrote, read }) => !refused && !read.some(({ text }) => text === wrote))
  const apart = sameId.length > 1 && sameId.every(({ refused }) => refused === null)
  if (lost.length > 0 || !apart)
    return { corrupted: true, says: 'a tenant does not find what it wrote under an id of its own' }
  const tenants = sameId.map(({ tenant }) => tenant).join(' and ')
  const refusals = sameKey.flatMap(({ tenant, workflow, refused }) =>
    refused ? [`; ${tenant} + ${workflow} is refused (${refused})`] : [],
  )
  return {
    corrupted: false,
    says: `${tenants} each read their own ${sameId[0]!.workflow}${refusals.join('')}`,
  }
}

function leaksIn(visits: readonly Visit[]): string[] {
  return visits.flatMap(({ tenant, workflow, read }) => {
    const foreign = read.find(each => each.tenant !== tenant)
    if (foreign === undefined) return []
    const from = visits.find(visit => visit.tenant === foreign.tenant)?.workflow
    return [`${tenant} opened its ${workflow} and read ${quote(foreign.text)} of ${foreign.tenant}'s ${from}`]
  })
}
