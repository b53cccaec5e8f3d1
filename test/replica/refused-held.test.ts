import { decodeChange, fromHex } from '@weft/core'
import { connect, type Receipt, type ReplicaEvent } from '@weft/replica'
import { expect, it, onTestFinished } from 'vitest'
import { sha256 } from '../support/core-property.ts'
import { collectGarbage } from '../support/heap.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { type Opened, Research, textsOf } from '../support/replica-contexts.ts'
import { ScriptedPeer } from '../support/replica-scripted-peer.ts'
import type { WireEnd } from '../support/wire-client.ts'

const COUNT = 8

/** A worker whose every write a peer may refuse, and what it was told of that, as long as anybody holds it. */
async function refusable() {
  const peer = await ScriptedPeer.start()
  const told: { readonly change: string; readonly error: WeakRef<Error> }[] = []
  const onEvent = (event: ReplicaEvent): void => {
    if (event.type === 'refused') told.push({ change: event.change, error: new WeakRef(event.error) })
  }
  const replica = await connect({ url: peer.url, token: 't', offline: true, onEvent })
  onTestFinished(() => replica.close({ discard: true }))
  const opening = replica.open(Research, { workflow: 'w', agent: 'a' })
  const { end, open } = await peer.opened(0)
  return { peer, replica, context: await opening, end, channel: open.channel, told }
}

function refuse(end: WireEnd, channel: number, change: string): void {
  end.send({
    name: 'refuse',
    channel,
    id: fromHex(change),
    code: 'WEFT_QUOTA_BYTES',
    message: 'there is no room',
    cure: 'write less',
    details: null,
  })
}

/** All that comes until this one has. */
async function pushed(end: WireEnd, change: string): Promise<Uint8Array[]> {
  const all: Uint8Array[] = []
  for (;;) {
    const { changes } = await end.next('push')
    all.push(...changes)
    if (changes.some(bytes => decodeChange(bytes, sha256).id === change)) return all
  }
}

/** The genesis stays without an answer, so that what depends on it alone goes. */
async function refusedWrite(
  { context, end, channel }: { context: Opened; end: WireEnd; channel: number },
  text: string,
): Promise<Receipt> {
  const receipt = context.append('message', { text })
  await pushed(end, receipt.change!)
  refuse(end, channel, receipt.change!)
  await until(() => textsOf(context).length === 0, 'it is withdrawn')
  return receipt
}

/** What its author gets back, asked late. */
async function handedBack({ committed }: Receipt): Promise<unknown> {
  const { code, details } = await rejectionOf(committed)
  const { withdrawn } = details as { withdrawn: readonly { entries: readonly { value: unknown }[] }[] }
  return { code, values: withdrawn.flatMap(({ entries }) => entries.map(({ value }) => value)) }
}

it('[DUR-7] what is refused again and again is held by its receipt alone', async () => {
  const refusing = await refusable()
  const { told } = refusing
  const kept: Receipt[] = []
  const write = async (text: number, isKept: boolean): Promise<void> => {
    const receipt = await refusedWrite(refusing, `${text}`)
    if (isKept) kept.push(receipt)
  }
  for (let i = 0; i < COUNT; i++) await write(i, i % 2 === 0)
  await collectGarbage()
  const held = told.filter(({ error }) => error.deref() !== undefined)
  expect(told).toHaveLength(COUNT)
  expect(held.map(({ change }) => change)).toEqual(kept.map(({ change }) => change))
  for (const [index, receipt] of kept.entries()) {
    expect(await handedBack(receipt)).toEqual({
      code: 'WEFT_QUOTA_BYTES',
      values: [{ text: `${2 * index}` }],
    })
  }
})

it('[DUR-7] what was refused is handed back also when its context was failed and opened anew since', async () => {
  const refusing = await refusable()
  const receipt = await refusedWrite(refusing, 'lost')
  const { end, channel, replica, context } = refusing
  const failure = { code: 'WEFT_STORE_FAILED', message: 'the disk is gone', cure: 'mend it' }
  end.send({ name: 'fail', channel, ...failure })
  await rejectionOf(context.append('message', { text: 'undecided' }).committed)
  const opening = replica.open(Research, { workflow: 'w', agent: 'b' })
  const again = await end.next('open')
  end.send({ name: 'opened', channel: again.channel, count: 0, heads: new Uint8Array(0), known: true })
  await opening
  expect(await handedBack(receipt)).toEqual({ code: 'WEFT_QUOTA_BYTES', values: [{ text: 'lost' }] })
})

it('[DUR-7] what a peer lost, and refuses when it is offered again, is handed back with the first receipt', async () => {
  const { peer, context, end, channel } = await refusable()
  const receipt = context.append('message', { text: 'acknowledged' })
  await pushed(end, receipt.change!)
  const items = context.changes().map(({ id }) => fromHex(id))
  end.send({ name: 'log', channel, from: 1, items })
  expect(await receipt.committed).toBe(items.length)
  end.socket.terminate()
  const after = await peer.opened(0, false)
  await pushed(after.end, receipt.change!)
  refuse(after.end, after.open.channel, receipt.change!)
  await until(() => textsOf(context).length === 0, 'it is withdrawn')
  expect(await handedBack(receipt)).toEqual({
    code: 'WEFT_QUOTA_BYTES',
    values: [{ text: 'acknowledged' }],
  })
})

it('[DUR-7] what was withdrawn with another change is told of once, whenever its own refusal comes', async () => {
  const { context, end, channel, told } = await refusable()
  const first = context.append('message', { text: 'first' })
  const second = context.append('message', { text: 'on it' })
  await pushed(end, second.change!)
  refuse(end, channel, first.change!)
  await until(() => textsOf(context).length === 0, 'both are withdrawn')
  refuse(end, channel, second.change!)
  const third = context.append('message', { text: 'after all' })
  await pushed(end, third.change!)
  refuse(end, channel, third.change!)
  await until(() => textsOf(context).length === 0, 'it is withdrawn')
  expect(told.map(({ change }) => change)).toEqual([first.change, third.change])
  expect(await handedBack(second)).toMatchObject({ values: [{ text: 'first' }, { text: 'on it' }] })
})

it('[DUR-7] what was refused and comes again from elsewhere is durable when the peer takes it then', async () => {
  const refusing = await refusable()
  const { context, end, channel } = refusing
  const receipt = context.append('message', { text: 'again' })
  const bytes = await pushed(end, receipt.change!)
  refuse(end, channel, receipt.change!)
  await until(() => textsOf(context).length === 0, 'it is withdrawn')
  expect(context.adopt(bytes)).toBe(1)
  expect(await handedBack(receipt)).toMatchObject({ values: [{ text: 'again' }] })
  await pushed(end, receipt.change!)
  end.send({
    name: 'log',
    channel,
    from: 1,
    items: bytes.map(each => fromHex(decodeChange(each, sha256).id)),
  })
  await until(() => context.position === bytes.length, 'the log has it')
  expect(await receipt.committed).toBe(bytes.length)
})
