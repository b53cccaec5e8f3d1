import { Conversation } from './conversation.js'
import { EmbeddedPeer } from './embedded-peer.js'
import type { Verdict } from './mistake.js'
import { quote } from './quote.js'
import { refusalOf } from './refusal.js'
import { SharedStore } from './shared-store.js'
import { VirtualTime } from './virtual-time.js'
import type { Workload } from './workload.js'

export const title = 'TTL taken for freshness'
export const usual = "a tool's answer is cached for five minutes, and counts as true for as long"
export const cure = 'a write to a source makes what was derived from it stale at once; no clock has a say'
export const laws = ['STL-1', 'STL-5', 'STP-3']

export interface Outcome {
  /** What the source says when the agent acts. */
  readonly truth: string
  /** What the agent acted on, as often as it did. */
  readonly actedOn: readonly string[]
  /** What it was told of what it had read, before it acted. */
  readonly told: string
  /** What it was refused with when it was about to act on that all the same; null when it was not. */
  readonly refused: string | null
}

/** Something outside, which changes while an agent thinks. */
interface Source {
  text: string
  version: number
}

const TTL_S = 300

/**
 * Look into the cache, else ask the source and keep the answer for a while. When to look again is then decided by a
 * number that somebody once wrote down, and not by whether the source has changed. To delete the key with every change
 * would mend the cache, and nothing that was derived from it by then.
 */
export async function naive({ source: { name, before, after } }: Workload): Promise<Outcome> {
  const time = new VirtualTime()
  const cache = new SharedStore(time).primary
  const source: Source = { text: before, version: 1 }
  const key = `tool:${name}`
  const look = async (): Promise<string> => {
    const cached = await cache.get(key)
    if (cached !== undefined) return cached
    const { text } = source
    await cache.set(key, text, { ex_s: TTL_S })
    return text
  }
  return time.run(async () => {
    await look()
    await time.sleep(60_000)
    source.text = after
    await time.sleep(60_000)
    const actedOn = [await look()]
    const left_s = Math.floor((await cache.ttl(key)) ?? 0)
    return { truth: source.text, actedOn, told: `fresh for ${left_s} s more`, refused: null }
  })
}

/**
 * The answer names the version of the source that it came from. Whoever changes the source says so once, and what was
 * derived from it is stale in that moment, on every replica; a side effect that relies on it is refused.
 */
export function weft({ workflow, source: { name, before, after } }: Workload): Promise<Outcome> {
  return EmbeddedPeer.use(async peer => {
    const ref = `ext:${name}`
    const source: Source = { text: before, version: 1 }
    const agent = await (await peer.replica()).open(Conversation, { workflow, agent: 'agent' })
    const owner = await (await peer.replica()).open(Conversation, { workflow, agent: 'owner' })
    const look = () =>
      agent.step('look', step => {
        const { text, version } = source
        step.append('answer', { by: name, text }, { dependsOn: [`${ref}@v${version}`] })
      })
    const actedOn: string[] = []
    const act = (key: string) =>
      agent.step('act', async step => {
        const { text } = step.entries().findLast(({ kind }) => kind === 'answer')!.value
        await step.effect(key, () => void actedOn.push(text))
      })

    await look()
    const invalidations = agent.invalidations()
    const next = invalidations.next()
    Object.assign(source, { text: after, version: 2 })
    owner.touch(ref, 'v2')
    const { value: stale } = await next
    await invalidations.return(undefined)
    const refused = await refusalOf(act('act'))
    await look()
    await act('act again')
    const told = `stale: ${stale?.causes[0]?.wrote} has changed`
    return { truth: source.text, actedOn, told, refused }
  })
}

export function check({ truth, actedOn, told, refused }: Outcome): Verdict {
  const wrong = actedOn.find(text => text !== truth)
  if (wrong !== undefined) {
    const now = `the source said ${quote(truth)} by then`
    return { corrupted: true, says: `the agent was told “${told}” and acted on ${quote(wrong)}; ${now}` }
  }
  if (actedOn.length !== 1)
    return { corrupted: true, says: `the agent acted ${actedOn.length} times, not once` }
  const after = refused ? `could not act on it (${refused}), looked again,` : 'looked again,'
  return { corrupted: false, says: `the agent was told “${told}”, ${after} and acted on ${quote(truth)}` }
}
