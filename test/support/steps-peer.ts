import { connect, defineContext, type Replica } from '@weft/replica'
import { type Peer, signToken, startPeer } from '@weft/peer'
import { afterEach } from 'vitest'
import { z } from 'zod'
import { MemoryStore } from './memory-store.ts'

export const SECRET = 'steps need a secret of thirty-two bytes'

export const Plan = defineContext({
  name: 'plan',
  version: 2,
  state: z.object({
    format: z.string(),
    plan: z.array(z.string()),
    constraints: z.record(z.string(), z.unknown()),
    count: z.number(),
  }),
  initial: { format: 'text', plan: [], constraints: {}, count: 0 },
  entries: { decision: z.object({ text: z.string() }), memory: z.object({ text: z.string() }) },
})

const open: { close(): Promise<unknown> }[] = []

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

/** A peer in memory with as many replicas of one tenant as are asked for; all closed after the test. */
export async function replicas(count: number): Promise<Replica[]> {
  const store = new MemoryStore()
  const peer: Peer = await startPeer({
    openStore: async () => store,
    key: { kind: 'secret', secret: SECRET },
    port: 0,
  })
  open.push(peer)
  const token = await signToken(SECRET, { tenant: 'acme', scopes: ['read', 'write'], lifetime: 600 })
  const all = await Promise.all(Array.from({ length: count }, () => connect({ url: peer.url, token })))
  open.push(...all)
  return all
}

export async function planOn(replica: Replica, agent: string, branch = 'main') {
  return replica.open(Plan, { workflow: 'wf', agent, branch })
}
