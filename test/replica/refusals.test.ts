import { type Change, decodeChange, fromHex } from '@weft/core'
import { connect, type ReplicaEvent, type WeftError } from '@weft/replica'
import { describe, expect, it, onTestFinished } from 'vitest'
import { seededHost, sha256 } from '../support/core-property.ts'
import { gateOf, rejectionOf, until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'
import { ScriptedPeer } from '../support/replica-scripted-peer.ts'
import { Author } from '../support/wire-author.ts'

const COUNT = 12

type Refused = Pick<WeftError, 'code' | 'details'> & {
  details: { refused: string; withdrawn: readonly { change: string }[] }
}

/** Steps that overlap, with what depends on all of them, as far as a peer that has taken none of it. */
async function overlapping() {
  const peer = await ScriptedPeer.start()
  const events: ReplicaEvent[] = []
  const onEvent = (event: ReplicaEvent): void => void events.push(event)
  const replica = await connect({ url: peer.url, token: 't', offline: true, onEvent })
  onTestFinished(() => replica.close({ discard: true }))
  const opening = replica.open(Research, { workflow: 'w', agent: 'a' })
  const { end, open } = await peer.opened(0)
  const context = await opening
  context.append('message', { text: 'kept' })
  const gate = gateOf()
  const steps = Array.from({ length: COUNT }, (_, index) =>
    context.step('overlaps', async step => {
      await gate.opened
      step.append('message', { text: `${index}` })
    }),
  )
  gate.open()
  await until(() => textsOf(context).length === COUNT + 1, 'all have written')
  const last = context.append('message', { text: 'after all' })
  const pushed: string[] = []
  while (!pushed.includes(last.change!))
    pushed.push(...(await end.next('push')).changes.map(bytes => decodeChange(bytes, sha256).id))
  const ids = context.changes().map(({ id }) => id)
  const independent = ids.slice(-COUNT - 1, -1)
  const refuse = (id: string): void =>
    end.send({
      name: 'refuse',
      channel: open.channel,
      id: fromHex(id),
      code: 'WEFT_QUOTA_BYTES',
      message: `${ids.indexOf(id)} is too much`,
      cure: 'write less',
      details: null,
    })
  const log = (changes: readonly Change[]): void =>
    end.send({ name: 'log', channel: open.channel, from: 1, items: changes.map(({ bytes }) => bytes) })
  return { context, events, steps, last, independent, refuse, log }
}

describe('[DUR-7] changes that the peer refuses at once', () => {
  it('are withdrawn at once, each with what depends on it and why', async () => {
    const { context, events, steps, last, independent, refuse } = await overlapping()
    const refusals = steps.map(step => rejectionOf(step) as Promise<Refused>)
    const lost = rejectionOf(last.committed) as Promise<Refused>
    let times = 0
    context.onChange(changes => {
      if (changes.length === 0) times++
    })
    for (const id of [...independent, last.change!]) refuse(id)
    const told = await Promise.all(refusals)
    expect(times).toBe(1)
    expect(textsOf(context)).toEqual(['kept'])
    expect(new Set(told.map(({ details }) => details.refused))).toEqual(new Set(independent))
    for (const { code, details } of told) {
      expect(code).toBe('WEFT_QUOTA_BYTES')
      const withdrawn = details.withdrawn.map(({ change }) => change)
      const isFirst = details.refused === independent[0]
      expect(withdrawn).toEqual([details.refused, ...(isFirst ? [last.change] : [])])
    }
    expect((await lost).details.refused).toBe(independent[0])
    expect(events.filter(({ type }) => type === 'refused')).toHaveLength(COUNT)
  })

  it('take along what is written on them before that is done', async () => {
    const { context, events, steps, independent, refuse, log } = await overlapping()
    const settled = Promise.allSettled(steps)
    const kept = context.changes().slice(0, 2)
    const others = new Author(1, seededHost(1), kept).append(3)
    let late: Promise<unknown> | undefined
    const stop = context.onChange(() => {
      stop()
      late = rejectionOf(context.append('message', { text: 'late' }).committed)
    })
    for (const id of independent.slice(1)) refuse(id)
    log([...kept, others])
    refuse(independent[0]!)
    await settled
    expect(await late).toMatchObject({ code: 'WEFT_QUOTA_BYTES' })
    expect(textsOf(context)).toEqual(['kept', '...'])
    expect(events.filter(({ type }) => type === 'refused')).toHaveLength(COUNT)
  })
})
