import { revokeTokens } from '@weft/replica'
import { onTestFinished } from 'vitest'
import { canaryOf } from './canaries.ts'
import { GatewayHarness } from './gateway-harness.ts'
import { MemoryStore } from './memory-store.ts'
import { PeerHarness } from './peer-harness.ts'
import { Research } from './replica-contexts.ts'
import { sharingStep } from './scratch-clients.ts'

/** Whose tokens lack something, each in one way. */
export const LACKING = ['foreign', 'narrow', 'readOnly', 'writeOnly', 'noAdmin'] as const
/** Whose tokens are none any more, or never were for this peer, and how that is called. */
export const REFUSED = {
  expired: 'WEFT_TOKEN_EXPIRED',
  revoked: 'WEFT_TOKEN_REVOKED',
  audience: 'WEFT_TOKEN_AUDIENCE',
} as const

export type Lacking = (typeof LACKING)[number]
export type Intruder = Lacking | keyof typeof REFUSED

/** What comes of a verb for each that lacks something, in their order; `may` where nothing that it needs is lacking. */
export type Row = readonly [
  foreign: string,
  narrow: string,
  readOnly: string,
  writeOnly: string,
  noAdmin: string,
]

/** What an intruder is to be told of a row; undefined where it may do that. */
export function expectedOf(row: Row, intruder: Intruder): string | undefined {
  if (intruder in REFUSED) return REFUSED[intruder as keyof typeof REFUSED]
  const expected = row[LACKING.indexOf(intruder as Lacking)]!
  return expected === 'may' ? undefined : expected
}

export const INTRUDERS = [...LACKING, ...(Object.keys(REFUSED) as (keyof typeof REFUSED)[])]
/** What only the victim and its own may read. */
export const SECRET_BYTES = canaryOf(0)
export const VICTIM = 'victim'

const ALL = ['read', 'write', 'admin'] as const
const SCRATCH = { owner_grace_ms: 100 }

/** A tenant that has something of everything, and tokens that must not reach it. */
export async function victimScene() {
  const webhooks = [
    {
      name: 'hook',
      tenant: VICTIM,
      url: 'http://127.0.0.1:9/',
      secret: 'a secret of the webhooks, long enough',
    },
  ]
  const peer = await PeerHarness.start({ webhooks, limits: { scratch: SCRATCH } as never })
  const api = await GatewayHarness.start({}, peer)
  const token = await peer.token({ tenant: VICTIM, scopes: ALL })
  const replica = await peer.replica({ token })
  const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
  await context.append('message', { text: SECRET_BYTES }).committed
  await context.change(state => {
    state.constraints[SECRET_BYTES] = SECRET_BYTES
  }).committed
  const leased = context.fork('leased')
  const lease = await leased.lease({ ttl_ms: 3_600_000, renew: false })
  const merge = context.merge('leased')
  await merge.receipt.committed
  const subscription = await context.subscribe('pool')
  const claim = await subscription.claim({ max: 1, renew: false, ttl_ms: 3_600_000 })
  await replica.overlays.publish('house', { prompt: SECRET_BYTES })
  const session = await context.token()
  const scratch = await sharingStep(context)
  scratch.step.scratch.text('draft').insert(0, SECRET_BYTES)
  const tokens = await intruderTokens(peer)
  const { exp, jti } = claimsOf(tokens.revoked)
  await revokeTokens(replica, { token: jti, expires: exp })
  onTestFinished(() => replica.close({ discard: true }))
  /** All that is known of it, on the disk and where it works. */
  const look = async () => ({
    heads: await headsOf(peer),
    digest: context.digest(),
    subscriptions: context.subscriptions(),
    isHeld: lease.held,
    overlays: await replica.overlays.list(),
    draft: scratch.step.scratch.text('draft').toString(),
  })
  return { peer, api, token, tokens, context, lease, merge, claim, session, scratch, look }
}

export type Scene = Awaited<ReturnType<typeof victimScene>>

async function intruderTokens(peer: PeerHarness): Promise<Record<Intruder, string>> {
  const own = { tenant: VICTIM, scopes: ALL }
  return {
    foreign: await peer.token({ ...own, tenant: 'rival' }),
    narrow: await peer.token({ ...own, workflows: 'other-*' }),
    readOnly: await peer.token({ ...own, scopes: ['read'] }),
    writeOnly: await peer.token({ ...own, scopes: ['write'] }),
    noAdmin: await peer.token({ ...own, scopes: ['read', 'write'] }),
    expired: await peer.token({ ...own, lifetime: -60 }),
    revoked: await peer.token(own),
    audience: await peer.token({ ...own, audience: 'another service' }),
  }
}

async function headsOf(peer: PeerHarness) {
  const heads = []
  for await (const head of new MemoryStore(peer.disk).tenant(VICTIM).heads()) heads.push(head)
  return heads
}

function claimsOf(token: string): { readonly exp: number; readonly jti: string } {
  return JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
}
