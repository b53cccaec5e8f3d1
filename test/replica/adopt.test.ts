import { describe, expect, test } from 'vitest'
import { codeOf, refusal } from '../support/core-forge.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { openOffline, Research } from '../support/replica-contexts.ts'

describe('moving changes by hand', () => {
  test('what is adopted comes in any order and gives the equal digest', async () => {
    const [from, to] = [await openOffline('a'), await openOffline('b')]
    for (const text of ['a', 'b', 'c']) from.append('message', { text })
    const bytes = from.changes().map(change => change.bytes)
    expect(to.adopt([...bytes].reverse())).toBe(4)
    expect(to.adopt(bytes)).toBe(0)
    expect(to.digest()).toBe(from.digest())
    expect(codeOf(() => to.adopt([new Uint8Array(9)]))).toBe('WEFT_CHANGE_MALFORMED')
  })

  test('what lacks its deps is refused, and does not slip in when they come another way', async () => {
    const harness = await PeerHarness.start()
    const [one, two] = [await harness.replica(), await harness.replica()]
    const writer = await one.open(Research, { workflow: 'w', agent: 'a' })
    const foreign = await openOffline('b')
    const [first, second] = ['a', 'b'].map(text => foreign.append('message', { text }).change!)
    const bytes = new Map(foreign.changes().map(change => [change.id, change.bytes]))
    const error = refusal(() => writer.adopt([bytes.get(second!)!]))
    expect(error).toMatchObject({ code: 'WEFT_CHANGE_DEPS_MISSING', details: { missing: [first] } })
    const other = await two.open(Research, { workflow: 'w', agent: 'c' })
    other.adopt([foreign.changes()[0]!.bytes, bytes.get(first!)!])
    await other.flush()
    await writer.until(() => writer.position === other.changes().length)
    // Else the second stood here, and nowhere else.
    expect(writer.digest()).toBe(other.digest())
  })
})
