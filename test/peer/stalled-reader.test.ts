import { DEFAULT_LIMITS } from '@weft/peer'
import { describe, expect, test } from 'vitest'
import { until } from '../support/peer-until.ts'
import { Author } from '../support/wire-author.ts'
import { startService, Wire } from '../support/wire-service.ts'

describe('a reader whose network takes nothing', () => {
  test('has the peer hold one read of the log for it, however much there is and comes', async () => {
    const service = await startService()
    const writer = new Wire()
    service.accept(writer)
    await writer.follows('w')
    const author = new Author(1)
    const write = async (count: number): Promise<void> => {
      const goal = writer.logged + count
      writer.pushes(author.appends(count, 2_000))
      await until(() => writer.logged === goal, 'it is written')
      writer.says({ name: 'seen', channel: 1, position: goal })
    }
    await write(300)
    const readers = Array.from({ length: 20 }, () => new Wire(true))
    for (const reader of readers) {
      service.accept(reader)
      await reader.follows('w')
    }
    await until(() => readers.every(({ bufferedAmount }) => bufferedAmount > 20_000), 'each was sent some')
    const before = readers.map(({ bufferedAmount }) => bufferedAmount)
    for (let i = 0; i < 4; i++) await write(200)
    expect(readers.map(({ bufferedAmount }) => bufferedAmount)).toEqual(before)
    for (const bytes of before) expect(bytes).toBeLessThan(DEFAULT_LIMITS.congested_bytes + 32_768 + 4_096)
  })
})
