import { type ChangeId, isWeftError, NOTHING_REVOKED, REVOCATIONS_OVERLAY } from '@weft/core'
import { FACTS, LEASED, OVERLAY, type PlayContext, type PlayState, SOURCES, WORKFLOWS } from './definition.js'
import type { Act, Life } from './life.js'

const BRANCHES_MAX = 6
/** What is read of the state. */
const POINTERS = [...FACTS.map(fact => `/facts/${fact}`), '/tasks/0/roll', '/tasks/1', '/tasks/2/id']

/** A handle on a branch that there is. */
async function somewhere(life: Life): Promise<{ workflow: string; context: PlayContext }> {
  const { dice } = life
  const workflow = dice.pick(WORKFLOWS)
  const { context: main } = await life.on(workflow)
  const branches = main.branches.filter(name => name !== LEASED)
  const branch = dice.chance(0.6) ? 'main' : dice.pick(branches.length > 0 ? branches : ['main'])
  const { context } = await life.on(workflow, branch)
  return { workflow, context }
}

/** What an entry may say that it was derived from: sources, facts, other entries. */
function reads({ dice }: Life, context: PlayContext): string[] {
  const refs: string[] = []
  if (dice.chance(0.4)) refs.push(`${dice.pick(SOURCES)}@v${dice.below(3)}`)
  if (dice.chance(0.3)) refs.push(`state:${dice.pick(POINTERS)}`)
  const entries = dice.chance(0.5) ? context.entries() : []
  if (entries.length > 0) refs.push(`entry:${dice.pick(entries.slice(-12)).id}`)
  return refs
}

async function append(life: Life): Promise<void> {
  const { workflow, context } = await somewhere(life)
  const value = { roll: life.dice.bits() }
  life.wrote(workflow, context.append('note', value, { dependsOn: reads(life, context) }))
}

async function change(life: Life): Promise<void> {
  const { dice } = life
  const { workflow, context } = await somewhere(life)
  const fact = dice.pick(FACTS)
  const receipt = context.change(state => {
    const roll = dice.below(100)
    if (roll < 50) state.facts[fact] = roll
    else reorder(state.tasks, roll)
  })
  life.wrote(workflow, receipt)
}

/** Puts a task in, takes one out, or edits one. */
function reorder(tasks: PlayState['tasks'], roll: number): void {
  const at = roll % (tasks.length + 1)
  const act = Math.floor(roll / 7) % 3
  if (act === 0 || at === tasks.length) tasks.splice(at, 0, { id: `t${roll}`, roll })
  else if (act === 1) tasks.splice(at, 1)
  else tasks[at]!.roll = roll
}

async function touch(life: Life): Promise<void> {
  const { workflow, context } = await somewhere(life)
  life.wrote(workflow, context.touch(life.dice.pick(SOURCES), `v${life.dice.below(4)}`))
}

async function step(life: Life): Promise<void> {
  const { dice, tenant, host, run } = life
  const { workflow, context } = await somewhere(life)
  let heads: readonly ChangeId[] = []
  let shown: readonly ChangeId[] = []
  const result = await context.step(
    'turn',
    async step => {
      const overlays = { [OVERLAY]: step.overlay(OVERLAY)?.version ?? 0 }
      host.see({ saw: 'step', tenant, process: run.process.name, overlays })
      heads = context.heads
      if (dice.chance(0.3)) void step.entries().at(-1)?.value
      if (dice.chance(0.3)) void [step.state.facts.a, step.state.tasks[1]?.roll]
      await run.process.sleep(dice.between(0, 25))
      if (dice.chance(0.3)) shown = step.entries().map(entry => entry.change)
      step.append(
        'decision',
        { roll: dice.bits() },
        { dependsOn: dice.chance(0.3) ? [dice.pick(SOURCES)] : [] },
      )
      if (dice.chance(0.15)) {
        const roll = dice.below(100)
        step.change(state => {
          if (roll < 30) state.facts.b = roll
          else reorder(state.tasks, roll)
        })
      }
    },
    life.wait,
  )
  life.acked(workflow, result.change, result.position)
  // On an empty context a step begins at what it writes first.
  if (result.change !== undefined && heads.length > 0)
    host.see({ saw: 'stepped', at: life.at(workflow), id: result.change, heads, shown })
}

async function fork(life: Life): Promise<void> {
  const { workflow, context } = await somewhere(life)
  if (context.branches.length >= BRANCHES_MAX) return
  const name = `b${context.branches.length}-${life.run.host}`
  if (context.branches.includes(name)) return
  context.fork(name)
  await life.on(workflow, name)
}

async function merge(life: Life): Promise<void> {
  const { dice } = life
  const workflow = dice.pick(WORKFLOWS)
  const { context } = await life.on(workflow)
  const others = context.branches.filter(name => name !== 'main' && name !== LEASED)
  if (others.length === 0) return
  const { receipt } = context.merge(dice.pick(others))
  life.wrote(workflow, receipt)
}

async function propose(life: Life): Promise<void> {
  const { dice, host } = life
  const { name, clock } = life.run.process
  const { workflow, context } = await somewhere(life)
  const expect = dice.chance(0.5) ? { heads: context.heads } : { unmoved: [dice.pick(SOURCES)] }
  const wait = life.patience
  const until_ms = clock.steady() + wait.timeout_ms
  let mark = ''
  const recipe: Parameters<PlayContext['propose']>[0] = draft => {
    const roll = dice.bits()
    mark = `<<${name} ${roll}>>`
    draft.append('decision', host.hasRates ? { roll, mark } : { roll })
  }
  try {
    const accepted = await context.propose(recipe, { expect, ...wait })
    if (accepted) life.acked(workflow, accepted.change, accepted.position)
  } catch (error) {
    if (host.hasRates && isWeftError(error) && error.code === 'WEFT_QUOTA_RATE')
      host.see({ saw: 'unwritten', at: life.at(workflow), mark, left_ms: until_ms - clock.steady() })
    throw error
  }
}

async function revert(life: Life): Promise<void> {
  const { dice } = life
  const { workflow, context } = await somewhere(life)
  const entries = context.entries()
  if (entries.length === 0) return
  const { receipt } = context.revert({ change: dice.pick(entries.slice(-6)).change })
  life.wrote(workflow, receipt)
}

/** Writes to a branch under a lease, and says that it holds it, for as long as it thinks that it does. */
async function lease(life: Life): Promise<void> {
  const { dice, host, run } = life
  const workflow = dice.pick(WORKFLOWS)
  const { context: main } = await life.on(workflow)
  if (!main.branches.includes(LEASED)) main.fork(LEASED)
  const { context } = await life.on(workflow, LEASED)
  const held = await context.lease({ ttl_ms: 80, ...life.wait })
  const { on, epoch } = held
  const turns = 2 + dice.below(14)
  for (let turn = 0; turn < turns && held.held; turn++) {
    host.see({ saw: 'lease', at: life.at(workflow), process: run.process.name, on, epoch })
    if (turn < 3) life.wrote(workflow, context.append('note', { epoch }))
    await run.process.sleep(dice.between(0, 40))
  }
  if (dice.chance(0.5)) await held.release(life.wait)
}

/** A token, and what it stands for: all that was there when it was asked for, but for what has been refused since. */
async function tokenOf(life: Life, context: PlayContext): Promise<{ token: string; known: ChangeId[] }> {
  const before = context.changes().map(({ id }) => id)
  const token = await context.token(life.wait)
  const after = new Set(context.changes().map(({ id }) => id))
  return { token, known: before.filter(id => after.has(id)) }
}

/** Writes, and gives the session away with its token. */
async function leave(life: Life): Promise<void> {
  const { dice, host, era } = life
  const workflow = dice.pick(WORKFLOWS)
  const { context } = await life.on(workflow)
  context.append('note', { roll: dice.bits() })
  const { token, known } = await tokenOf(life, context)
  host.sessions.put({ name: host.sessions.nextName(), at: life.at(workflow), token, known, era })
}

/** Goes on with a session that another worker, or this one, has given away. */
async function resume(life: Life): Promise<void> {
  const { dice, tenant, host } = life
  const session = host.sessions.take(tenant, dice.unit())
  if (session === undefined) return
  const { name, at, known, era } = session
  const context = await life.openAfter(at.workflow, session.token)
  if (era !== life.era) return context.close(life.wait)
  const ids = context.changes().map(({ id }) => id)
  host.see({ saw: 'session', at, session: name, known, shown: new Set(ids) })
  const receipt = context.append('note', { roll: dice.bits() })
  if (receipt.change) host.see({ saw: 'session-write', at, session: name, id: receipt.change, known })
  host.sessions.put({ ...session, ...(await tokenOf(life, context)) })
  await context.close(life.wait)
}

/** Shows a session's token where it does not belong: to another tenant's peer, or for another workflow. */
async function trespass(life: Life): Promise<void> {
  const { dice, tenant, host } = life
  const session = host.sessions.any(dice.unit())
  const workflow = dice.pick(WORKFLOWS)
  if (session === undefined || session.at === life.at(workflow)) return
  const context = await life.openAfter(workflow, session.token)
  host.see({ saw: 'trespass', tenant, of: session.at, on: workflow })
  await context.close(life.wait)
}

/** Revokes what a worker of the tenant connects with, perhaps its own. */
async function revoke(life: Life): Promise<void> {
  const { dice, tenant, host, run, era } = life
  const { id, expires_ms } = dice.pick(host.tokensOf(tenant))
  const { overlays } = run.replica
  const { value = NOTHING_REVOKED, version = 0 } = (await overlays.get(REVOCATIONS_OVERLAY, life.wait)) ?? {}
  const tokens = { ...value.tokens, [id]: Math.ceil(expires_ms / 1000) }
  await overlays.publish(REVOCATIONS_OVERLAY, { ...value, tokens }, { after: version, ...life.wait })
  if (era === life.era) host.see({ saw: 'revoked', tenant, token: id, now_ms: host.now_ms() })
}

async function publish(life: Life): Promise<void> {
  const { dice, tenant, host, run, era } = life
  const barrier = dice.chance(0.75)
  const published = await run.replica.overlays.publish(
    OVERLAY,
    { roll: dice.bits() },
    { barrier, ...life.wait },
  )
  const { name, version } = published
  if (barrier && era === life.era) host.see({ saw: 'barrier', tenant, name, version })
}

async function look(life: Life): Promise<void> {
  const { dice } = life
  const { workflow, context } = await somewhere(life)
  const { watched } = await life.on(workflow, context.branch)
  if (dice.chance(0.2)) watched.digest()
  else watched.look()
}

export const ACTS: readonly Act[] = [
  { name: 'append', weight: 30, run: append },
  { name: 'step', weight: 16, run: step },
  { name: 'look', weight: 6, run: look },
  { name: 'leave', weight: 5, run: leave },
  { name: 'resume', weight: 6, run: resume },
  { name: 'propose', weight: 5, run: propose },
  { name: 'touch', weight: 3, run: touch },
  { name: 'change', weight: 3, run: change },
  { name: 'lease', weight: 4, run: lease },
  { name: 'publish', weight: 4, run: publish },
  { name: 'fork', weight: 2, run: fork },
  { name: 'merge', weight: 2, run: merge },
  { name: 'revert', weight: 1, run: revert },
  { name: 'trespass', weight: 1, run: trespass },
  { name: 'revoke', weight: 1, run: revoke },
]

const PLAIN = ['append', 'look', 'touch', 'change', 'fork', 'merge', 'revert']

/** Those whose promises hold through a rollback of the peer. */
export const PLAIN_ACTS = ACTS.filter(({ name }) => PLAIN.includes(name))
