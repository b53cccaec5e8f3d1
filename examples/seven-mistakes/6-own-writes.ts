import { Conversation, type ConversationContext } from './conversation.js'
import { EmbeddedPeer } from './embedded-peer.js'
import { HeldLink } from './held-link.js'
import type { Verdict } from './mistake.js'
import { quote } from './quote.js'
import { refusalOf } from './refusal.js'
import { SharedStore } from './shared-store.js'
import { VirtualTime } from './virtual-time.js'
import type { Workload } from './workload.js'

export const title = 'A worker misses its own write'
export const usual = 'writes go to the primary, reads to the nearest replica, which is a moment behind'
export const cure = 'a token tells what the worker has written; a replica that knows less waits, or says so'
export const laws = ['SES-1', 'SES-2']

export interface Outcome {
  /** What is to be done once. It is recorded when it is done, and looked for before. */
  readonly action: string
  /** How often it was done. */
  readonly done: number
  /** What the worker's second turn found when it looked; null when it could not look. */
  readonly found: readonly string[] | null
  /** What it was refused with when it tried on a replica that was behind. */
  readonly refused: string | null
}

/**
 * Reads scale out, so they go to a replica. The turn after a write is often faster than replication, and "not there
 * yet" looks like "never done": so it is done again.
 */
export async function naive({ workflow, action }: Workload): Promise<Outcome> {
  const time = new VirtualTime()
  const { primary, replica } = new SharedStore(time, { latency_ms: 1, lag_ms: 100 })
  const key = `done:${workflow}`
  let done = 0
  const turn = async (): Promise<readonly string[]> => {
    const found = await replica.lrange(key)
    if (!found.includes(action)) {
      done++
      await primary.rpush(key, action)
    }
    return found
  }
  return time.run(async () => {
    await turn()
    await time.sleep(10)
    const found = await turn()
    return { action, done, found, refused: null }
  })
}

/**
 * The worker takes a token along for what it has written. A replica that is behind waits until it knows as much, or
 * fails and names what it lacks; it never answers with less.
 */
export function weft({ workflow, action }: Workload): Promise<Outcome> {
  return EmbeddedPeer.use(peer =>
    HeldLink.use(peer.url, async link => {
      const near = await peer.replica({ url: link.url })
      const open = { workflow, agent: 'worker' }
      // It has the context open already, so that it could answer at once, with what it has.
      await near.open(Conversation, open)
      let done = 0
      const turn = (context: ConversationContext): readonly string[] => {
        const found = context.entries().map(({ value }) => value.text)
        if (!found.includes(action)) {
          done++
          context.append('message', { by: 'worker', text: action })
        }
        return found
      }

      link.hold()
      const first = await (await peer.replica()).open(Conversation, open)
      turn(first)
      const second = { ...open, after: await first.token() }
      const refused = await refusalOf(
        near.open(Conversation, { ...second, timeout_ms: BEHIND_MS }).then(turn),
      )
      link.release()
      const found = turn(await near.open(Conversation, second))
      return { action, done, found, refused }
    }),
  )
}

/** How long the second turn waits for a replica that hears nothing. */
const BEHIND_MS = 100

export function check({ action, done, found, refused }: Outcome): Verdict {
  const said = quote(action)
  if (found === null) return { corrupted: true, says: `the next turn never learned whether ${said} was done` }
  const saw = found.includes(action) ? `found the record of ${said}` : `found no record of ${said}`
  const behind = refused ? `, after a refusal (${refused}) while its replica was behind` : ''
  const corrupted = !found.includes(action) || done !== 1
  return {
    corrupted,
    says: `the next turn ${saw}${behind}; it was done ${done === 1 ? 'once' : `${done} times`}`,
  }
}
