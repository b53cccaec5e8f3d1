import { Output, runCommand } from '@weft/cli'
import { Conversation, type ConversationContext } from './conversation.js'
import { EmbeddedPeer } from './embedded-peer.js'
import type { Verdict } from './mistake.js'
import { count, quote } from './quote.js'
import { SharedStore } from './shared-store.js'
import { VirtualTime } from './virtual-time.js'
import type { Workload } from './workload.js'

export const title = 'Drafts and decisions under one policy'
export const usual = 'all that a session writes goes into one list, which expires an hour after its last use'
export const cure = 'drafts end with their step; what is promoted stays until its workflow is complete'
export const laws = ['TIR-1', 'TIR-2']

export interface Outcome {
  readonly drafts: readonly string[]
  readonly decision: string
  /** What the next turn is shown. */
  readonly nextTurn: readonly string[]
  /** What is shown when the answer that the workflow waits for comes the next morning. */
  readonly nextMorning: readonly string[]
  /** What of all this lies in durable storage after the turn. */
  readonly stored: readonly string[]
}

const HOUR_S = 3_600

/**
 * One list a session, so that a screen can follow it live, and an expiry, so that streamed drafts do not pile up. What
 * is short for a decision is long for a draft: until then the next turn reads drafts as if somebody had meant them, and
 * after it nobody knows what was decided.
 */
export async function naive(workload: Workload): Promise<Outcome> {
  const { workflow } = workload
  const { drafts, decision } = answerOf(workload)
  const time = new VirtualTime()
  const store = new SharedStore(time).primary
  const key = `session:${workflow}`
  const write = async (text: string): Promise<void> => {
    await store.rpush(key, text)
    await store.expire(key, HOUR_S)
  }
  return time.run(async () => {
    for (const draft of drafts) await write(draft)
    await write(decision)
    const nextTurn = await store.lrange(key)
    await time.sleep(12 * HOUR_S * 1_000)
    const nextMorning = await store.lrange(key)
    return { drafts, decision, nextTurn, nextMorning, stored: nextTurn }
  })
}

/**
 * Drafts live in the step's scratch and end with it; what should stay is promoted. What is durable goes only when its
 * workflow is complete, and then by the tenant's rule: a night is stood for by `weft retain` with the shortest rule.
 */
export function weft(workload: Workload): Promise<Outcome> {
  const { workflow } = workload
  const { drafts, decision } = answerOf(workload)
  return EmbeddedPeer.use(async peer => {
    const agent = await (await peer.replica()).open(Conversation, { workflow, agent: 'agent' })
    await agent.step('answer', step => {
      const answer = step.scratch.text('answer')
      for (const text of [...drafts, decision]) {
        answer.delete(0, answer.length)
        answer.insert(0, text)
      }
      step.promote('decision', { by: 'agent', text: answer })
    })
    const next = await read(peer, workflow)
    const log = Buffer.concat(next.changes().map(({ bytes }) => bytes))
    const stored = [...drafts, decision].filter(text => log.includes(JSON.stringify(text)))
    const nextTurn = textsOf(next)

    await peer.stop()
    await retain(peer.directory)
    await peer.start()
    const nextMorning = textsOf(await read(peer, workflow))
    return { drafts, decision, nextTurn, nextMorning, stored }
  })
}

/** How the answer came about: another one was drafted first, piece by piece, and dropped. */
function answerOf({ attempts: [chosen, dropped] }: Workload): Pick<Outcome, 'drafts' | 'decision'> {
  const text = dropped.answers.at(-1)!
  const drafts = [1, 2, 3].map(
    third => `draft ${third}: ${text.slice(0, Math.ceil((text.length * third) / 3))}`,
  )
  return {
    drafts: drafts.map(draft => draft.replace(/\p{Surrogate}/gu, '')),
    decision: chosen.answers.at(-1)!,
  }
}

/** A worker that comes fresh. */
async function read(peer: EmbeddedPeer, workflow: string): Promise<ConversationContext> {
  return (await peer.replica()).open(Conversation, { workflow, agent: 'reader' })
}

function textsOf(context: ConversationContext): string[] {
  return context.entries().map(({ value }) => value.text)
}

/** Removes what was completed a second ago from a directory that no peer has open: the `weft retain` that users run. */
async function retain(directory: string): Promise<void> {
  let said = ''
  const sink = {
    write: (text: string) => {
      said += text
      return true
    },
    on: () => {},
  }
  const args = ['retain', '--tenant', 'acme', '--keep', '1s', '--data', directory]
  const output = new Output(sink, sink, {}, false)
  const code = await runCommand(args, { output, env: {}, cwd: directory })
  if (code !== 0) throw new Error(`weft ${args.join(' ')} ended with ${code}: ${said}`)
}

export function check({ drafts, decision, nextTurn, nextMorning, stored }: Outcome): Verdict {
  const read = nextTurn.filter(text => drafts.includes(text))
  const left = stored.filter(text => drafts.includes(text))
  const kept = [nextTurn, stored, nextMorning].every(texts => texts.includes(decision))
  if (read.length === 0 && left.length === 0 && kept) {
    const says = `of ${count(drafts.length, 'draft')} the next turn read none, and none was stored`
    return { corrupted: false, says: `${says}; the next morning ${quote(decision)} was still there` }
  }
  const faults = [
    ...(read.length > 0 ? [`the next turn read ${count(read.length, 'draft')} beside the decision`] : []),
    ...(read.length === 0 && left.length > 0 ? [`${count(left.length, 'draft')} stayed in the store`] : []),
    ...(kept ? [] : [`the next morning the decision, ${quote(decision)}, was gone`]),
  ]
  return { corrupted: true, says: faults.join('; ') }
}
