import { connect, type Replica, type ReplicaEvent } from '@weft/replica'
import { describe, expect, onTestFinished, test } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf } from '../support/peer-until.ts'
import { type Opened, Research, textsOf } from '../support/replica-contexts.ts'

const id = (byte: string): string => byte.repeat(32)

async function scene() {
  const harness = await PeerHarness.start()
  const events: string[] = []
  const onEvent = ({ type }: ReplicaEvent): void => void events.push(type)
  const replica = await harness.replica({ onEvent })
  const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
  await context.append('message', { text: 'begin' }).committed
  return { harness, replica, context, events }
}

/** All that the replica does goes on over the connection that it had. */
async function goesOn({ harness, replica, context, events }: Awaited<ReturnType<typeof scene>>) {
  const other = await replica.open(Research, { workflow: 'v', agent: 'a' })
  await other.append('message', { text: 'it goes on' }).committed
  expect(textsOf(context)).toEqual(['begin'])
  expect(events).toEqual(['connected'])
  expect(await harness.metric('weft_connections_failed_total')).toBe(0)
}

describe('[CHG-5] a call that no peer could read fails alone', () => {
  const far = Array.from({ length: 10_000 }, (_, at) => at.toString(16).padStart(64, '0'))

  test.each<[string, string, unknown]>([
    ['of a head that is none', 'WEFT_ID_INVALID', { heads: ['zz'] }],
    ['of a head in capitals', 'WEFT_ID_INVALID', { heads: [id('AB')] }],
    ['of a head that is no text', 'WEFT_ID_INVALID', { heads: [7] }],
    ['of heads twice', 'WEFT_USAGE', { heads: [id('ab'), id('ab')] }],
    ['of 10,000 heads', 'WEFT_USAGE', { heads: far }],
    ['of heads that are no list', 'WEFT_USAGE', { heads: { main: id('ab') } }],
    ['of nothing for heads', 'WEFT_USAGE', { heads: null }],
    ['of a branch that can be none', 'WEFT_ID_INVALID', { heads: { 'a b': [] } }],
    ['of writers that are none', 'WEFT_USAGE', { writers: null }],
    ['of refs that are no list', 'WEFT_USAGE', { unmoved: 'state:' }],
    ['that is no expectation', 'WEFT_USAGE', 'none'],
  ])('a proposal with an expectation %s', async (_, code, expected) => {
    const all = await scene()
    const write = all.context.propose(draft => void draft.append('message', { text: 'no' }), {
      expect: expected as object,
    })
    expect((await rejectionOf(write)).code).toBe(code)
    await goesOn(all)
  })

  test('a proposal that no frame holds, with all that it expects', async () => {
    const all = await scene()
    const unmoved = Array.from({ length: 250 }, (_, at) => `ext:${at}${'x'.repeat(1_000)}`)
    const write = (text: string, expected: object) =>
      all.context.propose(draft => void draft.append('decision', { choice: text }), { expect: expected })
    expect((await rejectionOf(write('x'.repeat(900_000), { unmoved }))).code).toBe('WEFT_USAGE')
    await write('x', { unmoved })
    await write('x'.repeat(900_000), {})
    await goesOn(all)
  })

  test.each<[string, (replica: Replica, context: Opened, token: string) => Promise<unknown>]>([
    ['that is to be reached', (_, context, token) => context.reach(token)],
    ['to open after', (replica, _, after) => replica.open(Research, { workflow: 'w', agent: 'b', after })],
  ])('a session token %s that no peer has made', async (_, use) => {
    const all = await scene()
    for (const token of ['x'.repeat(8_193), 7 as unknown as string]) {
      expect((await rejectionOf(use(all.replica, all.context, token))).code).toBe('WEFT_SESSION_INVALID')
    }
    await goesOn(all)
  })
})

describe('what a replica says of itself', () => {
  test.each([
    'x'.repeat(8_193),
    7 as unknown as string,
    undefined as unknown as string,
  ])('is no token that no peer could read', async token => {
    const { url } = await PeerHarness.start()
    expect((await rejectionOf(connect({ url, token }))).code).toBe('WEFT_TOKEN_INVALID')
  })

  test('is asked for again where its source gives such a token, a few times', async () => {
    const harness = await PeerHarness.start()
    let asked = 0
    const source = async (): Promise<string> => (++asked < 3 ? 'x'.repeat(8_193) : harness.token())
    const replica = await connect({ url: harness.url, token: source })
    onTestFinished(() => replica.close())
    expect([asked, replica.tenant]).toEqual([3, 'acme'])
    asked = Number.NEGATIVE_INFINITY
    const never = await rejectionOf(connect({ url: harness.url, token: source }))
    expect(never.code).toBe('WEFT_TOKEN_INVALID')
    expect(await harness.metric('weft_connections_failed_total')).toBe(0)
  })

  test('is no name that no peer could read', async () => {
    const harness = await PeerHarness.start()
    const failed = harness.replica({ client: 'x'.repeat(257) })
    expect((await rejectionOf(failed)).code).toBe('WEFT_USAGE')
  })
})
