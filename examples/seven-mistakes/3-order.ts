import type { MergeReport, Replica } from '@weft/replica'
import { Conversation, type ConversationContext } from './conversation.js'
import { EmbeddedPeer } from './embedded-peer.js'
import type { Verdict } from './mistake.js'
import { quote } from './quote.js'
import { SharedStore } from './shared-store.js'
import { VirtualTime } from './virtual-time.js'
import type { Attempt, Workload } from './workload.js'

export const title = 'Arrival order taken for cause'
export const usual = 'parallel branches append to one list and set one key, each when it gets there'
export const cure = 'branches merge in the order of their forking; concurrent values all stay, as a conflict'
export const laws = ['ORD-2', 'MRG-2', 'MRG-3']

/** A merge of the two attempts, as it came out when one of them was always a little ahead. */
export interface Merged {
  readonly ahead: string
  /** The entries in the order in which a model is shown them, each as `entryText` writes it. */
  readonly order: readonly string[]
  /** All values of the outcome that can still be found. */
  readonly outcomes: readonly string[]
}

export interface Outcome {
  /** What the attempts set the outcome to, neither knowing of the other. */
  readonly wrote: readonly string[]
  /** The same attempts, merged after different arrivals. */
  readonly merges: readonly Merged[]
}

interface Arrival extends Attempt {
  readonly turn: number
}

/**
 * Workers run in parallel and push what they have into the history that they share; what they come to is set when they
 * come to it. The list holds them in the order in which the network and the models happened to be done, and the key
 * holds whoever was last: another run of the same work is another context.
 */
export async function naive(workload: Workload): Promise<Outcome> {
  const key = workload.workflow
  return merges(workload, ahead => {
    const time = new VirtualTime()
    const store = new SharedStore(time).primary
    return time.run(async () => {
      for (const arrival of arrivals(workload, ahead)) {
        await store.rpush(`history:${key}`, entryText(arrival))
        if (isLast(arrival)) await store.set(`outcome:${key}`, conclusion(arrival))
      }
      const outcome = await store.get(`outcome:${key}`)
      return { ahead, order: await store.lrange(`history:${key}`), outcomes: outcome ? [outcome] : [] }
    })
  })
}

/** Branches are forked before they run. They merge in the order of their forking, and what is contested is reported. */
export async function weft(workload: Workload): Promise<Outcome> {
  return merges(workload, ahead => EmbeddedPeer.use(peer => mergeOn(peer, workload, ahead)))
}

async function mergeOn(peer: EmbeddedPeer, workload: Workload, ahead: string): Promise<Merged> {
  const { workflow, attempts } = workload
  const supervisor = await (await peer.replica()).open(Conversation, { workflow, agent: 'supervisor' })
  const workers = new Map<string, ConversationContext>()
  for (const { branch } of attempts) {
    const forked = supervisor.fork(branch)
    workers.set(branch, await resume(await peer.replica(), forked))
  }
  for (const arrival of arrivals(workload, ahead)) {
    const worker = workers.get(arrival.branch)!
    await worker.append('message', { by: arrival.branch, text: entryText(arrival) }).committed
    if (isLast(arrival)) {
      await worker.change(state => {
        state.outcome = conclusion(arrival)
      }).committed
    }
  }
  for (const worker of workers.values()) await supervisor.reach(await worker.token())
  const report = supervisor.merge(...attempts.map(({ branch }) => branch))
  return { ahead, order: orderOf(supervisor, report), outcomes: contested(report) }
}

async function resume(replica: Replica, forked: ConversationContext): Promise<ConversationContext> {
  const { context } = await replica.resume(Conversation, await forked.handoff(), { agent: 'worker' })
  return context
}

function orderOf(context: ConversationContext, { order }: MergeReport): string[] {
  const texts = new Map(context.entries().map(({ id, value }) => [id, value.text]))
  return order.map(id => texts.get(id)!)
}

function contested({ conflicts }: MergeReport): string[] {
  const outcome = conflicts.find(({ pointer }) => pointer === '/outcome')
  return (outcome?.values ?? []).map(({ value }) => String(value)).sort()
}

async function merges(workload: Workload, mergeWith: (ahead: string) => Promise<Merged>): Promise<Outcome> {
  const { attempts } = workload
  const [one, other] = attempts
  return {
    wrote: attempts.map(conclusion),
    merges: [await mergeWith(one.branch), await mergeWith(other.branch)],
  }
}

/** The turns of both attempts as they arrive: in turns, one attempt always a little ahead. */
function arrivals({ attempts }: Workload, ahead: string): Arrival[] {
  const inTurns = attempts.flatMap(attempt =>
    attempt.turns.map((_, index) => ({ ...attempt, turn: index + 1 })),
  )
  return inTurns.sort((a, b) => a.turn - b.turn || Number(b.branch === ahead) - Number(a.branch === ahead))
}

/** `<branch> <turn>: <what was said in it>` */
function entryText({ branch, turn, turns }: Arrival): string {
  return `${branch} ${turn}: ${turns[turn - 1]}`
}

function isLast({ turn, turns }: Arrival): boolean {
  return turn === turns.length
}

function conclusion({ branch, answers }: Attempt): string {
  return `${branch}: ${answers.at(-1)}`
}

/** Of an entry, without what it says. */
function nameOf(entry: string): string {
  return entry.split(':')[0]!
}

export function check({ wrote, merges }: Outcome): Verdict {
  if (merges.length < 2 || merges.some(({ order }) => order.length < 2))
    return { corrupted: true, says: 'the entries of the attempts are not there' }
  const orders = new Set(merges.map(({ order }) => JSON.stringify(order)))
  const lost = merges.flatMap(({ outcomes }) => wrote.filter(text => !outcomes.includes(text)))
  const starts = merges.map(({ order }) => `${order.slice(0, 3).map(nameOf).join(', ')}, …`)
  if (orders.size === 1 && lost.length === 0) {
    const shown = `both outcomes are shown, ${quote(wrote[0]!)} and ${quote(wrote[1]!)}`
    return { corrupted: false, says: `whoever was ahead, the context reads ${starts[0]}; ${shown}` }
  }
  const order =
    orders.size === 1 ? [] : [`the same work reads ${starts.join(' or ')} depending on who was ahead`]
  const gone = lost.length === 0 ? [] : [`the outcome ${quote(lost[0]!)} was overwritten without a word`]
  return { corrupted: true, says: [...order, ...gone].join('; ') }
}
