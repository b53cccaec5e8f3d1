import { isWeftError } from '@weft/core'
import { until } from './peer-until.ts'
import { Research } from './replica-contexts.ts'
import { StockClient } from './scratch-clients.ts'
import { AGENT, type Tenant, type TenantWorld, WORKFLOW } from './tenant-world.ts'

/** What a tenant does, as all others do it under the same names; its bytes are in all that it writes. */
export type Act = (world: TenantWorld, tenant: Tenant, turn: number) => Promise<void>

/** How fast a machine is that does 100,000 of them is not what is looked at. */
const LONG_MS = 600_000
const CONTEXT = `/v1/contexts/${WORKFLOW}`

function show(world: TenantWorld, { number }: Tenant, place: string, value: unknown): void {
  world.watch.see(place, number, JSON.stringify(value))
}

/** Something that is to be refused, by what a tenant knows of another one. */
async function refused(world: TenantWorld, { number }: Tenant, work: () => Promise<unknown> | unknown) {
  try {
    await work()
  } catch (error) {
    if (!isWeftError(error)) throw error
    world.watch.seeError(number, error)
    return
  }
  throw new Error(`tenant ${number} was let in where it has no business`)
}

function other(world: TenantWorld, { number }: Tenant, turn: number): Tenant {
  const { tenants } = world
  return tenants[(number + 1 + (turn % (tenants.length - 1))) % tenants.length]!
}

const say: Act = async (_world, { context, id }, turn) => {
  const text = `${id} says ${turn}`
  await context.append('message', { text }, { dependsOn: [`ext:doc/1@${id}`], reason: id }).committed
}

const edit: Act = async (_world, { context, id }, turn) => {
  await context.change(state => {
    state.constraints.same = `${id} ${turn}`
    state.constraints[`${id}${turn % 4}`] = turn
  }).committed
}

const read: Act = async (world, tenant) => {
  const { context } = tenant
  show(world, tenant, 'read', [context.state, context.entries(), [...context.audit()], context.stale()])
  const window = context.window({ budget: 2_000 })
  show(world, tenant, 'window', [window.text, window.included, window.leftOut])
}

const step: Act = async (world, tenant, turn) => {
  const { context, id } = tenant
  await context.step(
    'turn',
    step => {
      show(world, tenant, 'step', [step.state, step.window({ budget: 1_000 }).text, step.overlay('house')])
      step.append('decision', { choice: `${id} ${turn}` })
    },
    { reason: id, trace: `00-${id}-01` },
  )
}

const effect: Act = async (world, tenant, turn) => {
  const { context, id } = tenant
  const result = await context.step('pay', async step => {
    const paid = await step.effect(`order:${turn % 3}`, () => ({ receipt: id }), { ttl_ms: LONG_MS })
    step.append('message', { text: `${id} paid` })
    return paid
  })
  show(world, tenant, 'effect', result)
}

const branch: Act = async (_world, { context, id }, turn) => {
  const name = turn % 2 === 0 ? 'side' : id
  const side = context.branches.includes(name) ? undefined : context.fork(name)
  await side?.append('message', { text: `${id} aside` }).committed
  if (side) await context.merge(name).receipt.committed
  await side?.close()
}

const overlay: Act = async (world, tenant, turn) => {
  const { replica, id } = tenant
  await replica.overlays.publish('house', { prompt: `${id} rules ${turn}` }, { reason: id })
  show(world, tenant, 'overlay', [await replica.overlays.list(), await replica.overlays.history('house')])
}

const wake: Act = async (world, tenant) => {
  const { context, id } = tenant
  const subscription = await context.subscribe('pool', { from: 1, kinds: ['message'] })
  await context.append('message', { text: `${id} wakes` }).committed
  const claim = await subscription.claim({ max: 8, ttl_ms: LONG_MS })
  show(world, tenant, 'claim', [claim.events, context.subscriptions()])
  await claim.ack()
}

const handOver: Act = async (world, tenant, turn) => {
  const { context, replica, id } = tenant
  const handoff = await context.handoff({ carry: { note: id } })
  show(world, tenant, 'handoff', handoff)
  const { context: resumed, carried } = await replica.resume(Research, handoff, { timeout_ms: LONG_MS })
  show(world, tenant, 'handoff', [carried, resumed.state])
  await resumed.close()
  await refused(world, tenant, () =>
    other(world, tenant, turn).replica.resume(Research, handoff, { timeout_ms: LONG_MS }),
  )
}

const summarize: Act = async (world, tenant) => {
  const { context, id } = tenant
  await context.append('message', { text: `${id} long` }).committed
  const to = context.position
  const summary = await context.summarize({ from: Math.max(1, to - 4), to }, entries => {
    show(world, tenant, 'summary', entries)
    return `${id} in short`
  })
  await summary.committed
}

const scratch: Act = async (world, tenant, turn) => {
  const { context, id, token, number } = tenant
  await context.step('draft', async step => {
    step.scratch.text('draft').insert(0, `${id} drafts`)
    const { server, room } = await step.scratch.share()
    const client = await StockClient.synced({ server, room }, token, 'subprotocol')
    await client.reads(`${id} drafts`)
    const foreign = await world.token(other(world, tenant, turn).number)
    const stranger = StockClient.connecting({ server, room }, foreign, 'subprotocol')
    client.text().insert(0, '…')
    await until(() => step.scratch.text('draft').toString().startsWith('…'), 'the owner reads it')
    world.watch.see('scratch', other(world, tenant, turn).number, stranger.text().toString())
    world.watch.see('scratch', number, client.text().toString())
    stranger.close()
    client.close()
    step.promote('message', { text: step.scratch.text('draft') })
  })
}

const session: Act = async (world, tenant, turn) => {
  const { context } = tenant
  const theirs = other(world, tenant, turn)
  const token = await context.token()
  world.watch.see('session', tenant.number, token)
  await refused(world, theirs, () => theirs.context.reach(token, { timeout_ms: LONG_MS }))
}

const stray: Act = async (world, tenant, turn) => {
  const { context, id } = tenant
  const entry = other(world, tenant, turn).context.entries().at(-1)
  const change = entry?.change ?? '0'.repeat(64)
  await refused(world, tenant, () => context.why(entry?.id ?? `${change}.0`))
  await refused(world, tenant, () => context.revert({ change }))
  await refused(world, tenant, () => context.fork(`b${turn}`, { at: [change] }))
  const expect = { heads: [change] }
  await refused(world, tenant, () =>
    context.propose(draft => draft.append('message', { text: id }), { expect }),
  )
  await refused(world, tenant, () =>
    context.append('message', { text: id }, { dependsOn: [`entry:${change}.0`] }),
  )
}

const overHttp: Act = async (world, tenant, turn) => {
  const { id } = tenant
  const entries = [{ kind: 'message', value: { text: `${id} over HTTP` } }]
  const change = { agent: AGENT, schema: { name: 'research', version: 1 }, entries, reason: id }
  const written = await world.ask(tenant, 'POST', `${world.api}${CONTEXT}/changes`, change)
  if (written.status !== 201) throw new Error(`${written.status} ${written.text}`)
  const paths = ['/state', '/log', '/audit', '/window?budget=2000', '/log?from=%F0']
  const path = paths[turn % paths.length]!
  const answer = await world.ask(tenant, 'GET', `${world.api}${CONTEXT}${path}`)
  if ((answer.status === 200) === path.includes('%'))
    throw new Error(`${path}: ${answer.status} ${answer.text}`)
  await world.ask(tenant, 'GET', `${world.api}/v1/overlays/house/history`)
  await world.ask(tenant, 'GET', `${world.api}/v1/overlays`)
}

const operate: Act = async (world, tenant, turn) => {
  const paths = ['/contexts', '/usage', '/webhooks', '/feed/@other', '/feed/w?from=99999999']
  await world.ask(tenant, 'GET', `${world.http}${paths[turn % paths.length]}`)
  await world.ask(tenant, 'POST', `${world.http}/retention?dry_run=true`)
  await world.ask(tenant, 'POST', `${world.http}/webhooks/hook/${WORKFLOW}/resume`)
}

const follow: Act = async (world, { token, number }, turn) => {
  const ended = new AbortController()
  const from = turn % 2 === 0 ? '?from=1' : '?from=1&kind=message'
  const response = await fetch(`${world.http}/feed/${WORKFLOW}${from}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: ended.signal,
  })
  let text = ''
  for await (const chunk of response.body!) {
    text += Buffer.from(chunk).toString()
    if (text.includes('\ndata: ')) break
  }
  ended.abort()
  world.watch.see('feed', number, text)
}

/** Those that are quick come often; the others all come. */
export const ACTS: readonly Act[] = [
  ...[
    say,
    edit,
    step,
    read,
    say,
    overHttp,
    branch,
    stray,
    say,
    session,
    step,
    operate,
    edit,
    wake,
    say,
    effect,
  ],
  ...[step, handOver, edit, follow, say, overlay, overHttp, say, summarize, edit, step, scratch],
]
