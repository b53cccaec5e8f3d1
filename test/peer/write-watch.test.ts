import { WriteWatch } from '@weft/peer'
import fc from 'fast-check'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { holdsAsync } from '../support/core-property.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { SetClock } from '../support/set-clock.ts'
import { Author } from '../support/wire-author.ts'

const STALL_MS = 50
const FAILS = 'the disk is gone'

const acts = fc.array(
  fc.oneof(
    fc.constant({ do: 'begin' as const }),
    fc.record({ do: fc.constant('end' as const), which: fc.nat(), fails: fc.boolean() }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 2 * STALL_MS }) }),
  ),
  { maxLength: 40 },
)

interface Write {
  readonly at_ms: number
  readonly end: (fails: boolean) => Promise<unknown>
}

function begin(watch: WriteWatch, at_ms: number): Write {
  let end = (_: boolean): void => {}
  const work = new Promise<void>((resolve, reject) => {
    end = fails => (fails ? reject(new Error(FAILS)) : resolve())
  })
  const told = watch.during(() => work).catch((error: unknown) => error)
  return {
    at_ms,
    end: fails => {
      end(fails)
      return told
    },
  }
}

test('it is told once that a write is late, and once that none is any more', async () => {
  await holdsAsync(
    acts,
    async plan => {
      const clock = new SetClock()
      let isStalled = false
      const turn = (to: boolean) => () => {
        expect(isStalled).toBe(!to)
        isStalled = to
      }
      const watch = new WriteWatch(clock, STALL_MS, { stalled: turn(true), over: turn(false) })
      const writes: Write[] = []
      for (const act of plan) {
        if (act.do === 'begin') writes.push(begin(watch, clock.at_ms))
        else if (act.do === 'wait') clock.advance(act.ms)
        else {
          const [ended] = writes.splice(act.which % (writes.length || 1), 1)
          expect(String(await ended?.end(act.fails))).toBe(
            act.fails && ended ? `Error: ${FAILS}` : 'undefined',
          )
        }
        const oldest_ms = Math.max(0, ...writes.map(({ at_ms }) => clock.at_ms - at_ms))
        expect([watch.oldest_ms, isStalled]).toEqual([oldest_ms, oldest_ms >= STALL_MS])
      }
    },
    300,
  )
})

test('a disk that does not answer shows in the metrics and in the log, and so does that it does again', async () => {
  const lines: string[] = []
  const logger = pino({ level: 'warn' }, { write: line => void lines.push(line) })
  const harness = await PeerHarness.start({ logger, limits: { stall_ms: STALL_MS } })
  const client = await harness.following()
  const release = harness.gate.hold()
  client.push(new Author(1).append())
  await until(() => lines.length === 1, 'it is logged')
  expect(lines[0]).toContain('the disk does not answer')
  expect(await harness.metric('weft_commit_oldest_seconds')).toBeGreaterThanOrEqual(STALL_MS / 1_000)
  expect(await harness.metric('weft_commit_seconds_count')).toBe(0)
  release()
  await client.next('log')
  expect(lines[1]).toContain('has ended')
  expect(await harness.metric('weft_commit_oldest_seconds')).toBe(0)
  expect(await harness.metric('weft_commit_seconds_count')).toBe(1)
})
