import { Conversation } from './conversation.js'
import { EmbeddedPeer } from './embedded-peer.js'
import { HeldLink } from './held-link.js'
import type { Verdict } from './mistake.js'
import { quote } from './quote.js'
import { SharedStore } from './shared-store.js'
import { VirtualTime } from './virtual-time.js'
import type { Workload } from './workload.js'

export const title = 'Context lost at handoff'
export const usual = 'the next worker is called while the checkpoint of the last turn is still being saved'
export const cure = 'handoff() waits until all is durable; resume() shows nothing before all of it is there'
export const laws = ['HND-1', 'SES-2']

export interface Outcome {
  /** What the first worker was told before it handed over. */
  readonly constraint: string
  /** What the second worker went by when it resumed. */
  readonly resumedWith: readonly string[]
  /** What a third one finds, after the second one's turn. */
  readonly left: readonly string[]
}

interface Checkpoint {
  readonly messages: readonly string[]
  readonly constraints: readonly string[]
}

/**
 * Checkpoints go to a database, jobs to a queue. The turn is saved in the background, so that nobody waits for the
 * database between two turns; some frameworks for agents do so by default. Two systems promise no order between them:
 * the job is there first, the next worker loads the checkpoint before, and saves what it made of that over the late one.
 */
export async function naive({ workflow, constraint, attempts }: Workload): Promise<Outcome> {
  const time = new VirtualTime()
  const database = new SharedStore(time, { write_ms: 20 }).primary
  const queue = new SharedStore(time).primary
  const key = `checkpoint:${workflow}`
  const load = async (): Promise<Checkpoint> =>
    JSON.parse((await database.get(key)) ?? '{"messages":[],"constraints":[]}')
  const save = (checkpoint: Checkpoint): Promise<void> => database.set(key, JSON.stringify(checkpoint))

  async function planner(): Promise<void> {
    const { messages, constraints } = await load()
    void save({ messages: [...messages, constraint], constraints: [...constraints, constraint] })
    await queue.rpush('jobs', workflow)
  }

  async function executor(): Promise<readonly string[]> {
    await queue.lpop('jobs')
    const { messages, constraints } = await load()
    await save({ messages: [...messages, attempts[0].answers.at(-1)!], constraints })
    return constraints
  }

  return time.run(async () => {
    await planner()
    const resumedWith = await executor()
    return { constraint, resumedWith, left: (await load()).constraints }
  })
}

/**
 * `handoff` waits until all that this worker wrote is durable, and says where that is; `resume` shows nothing before
 * all of it is there, also on a replica that is behind.
 */
export function weft({ workflow, constraint, attempts }: Workload): Promise<Outcome> {
  return EmbeddedPeer.use(peer =>
    HeldLink.use(peer.url, async link => {
      const next = await peer.replica({ url: link.url })
      const planner = await (await peer.replica()).open(Conversation, { workflow, agent: 'planner' })
      link.hold()
      planner.append('message', { by: 'user', text: constraint })
      planner.change(state => void state.constraints.push(constraint))
      const job = JSON.stringify(await planner.handoff())

      const resuming = next.resume(Conversation, job, { agent: 'executor' })
      link.release()
      const { context: executor } = await resuming
      const resumedWith = executor.state.constraints
      executor.append('message', { by: 'executor', text: attempts[0].answers.at(-1)! })

      const { context: third } = await (await peer.replica()).resume(Conversation, await executor.handoff())
      return { constraint, resumedWith, left: third.state.constraints }
    }),
  )
}

export function check({ constraint, resumedWith, left }: Outcome): Verdict {
  const [known, kept] = [resumedWith.includes(constraint), left.includes(constraint)]
  const said = quote(constraint)
  if (known && kept)
    return { corrupted: false, says: `the worker that resumed knew ${said}, and so did the next` }
  const resumed = known ? 'knew' : 'went on without'
  const after = kept ? 'the next one knew it' : 'what it saved then took that away for good'
  return { corrupted: true, says: `the worker that resumed ${resumed} ${said}; ${after}` }
}
