import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  BranchWriter,
  ChangeSet,
  type Json,
  resolveOptions,
  type Window,
  type WindowFormat,
  type Windows,
} from '@weft/core'
import { o200k } from '@weft/replica'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { replicaOf } from '../support/core-history.ts'
import { holds, seededHost, sha256 } from '../support/core-property.ts'
import {
  byLength,
  expectAiSdk,
  expectAnthropic,
  expectOpenAi,
  Talk,
  windowsOf,
} from '../support/window-values.ts'

const SHARE_MIN = 0.9

/** What successive windows of one agent have in common. */
class Succession {
  #last: Window | undefined
  steps = 0
  /** So often a window began elsewhere than the one before, to make room. */
  begunAnew = 0
  full = 0

  /** @param count of the entries that there are */
  add(window: Window, count: number): void {
    const last = this.#last
    this.#last = window
    if (last === undefined || last.included.length === 0) return
    this.steps++
    if (window.included.length < count) this.full++
    const goesOn = last.included.every(({ entry }, at) => window.included[at]?.entry === entry)
    if (!goesOn) this.begunAnew++
    else expect(shared(last.text, window.text) / last.text.length).toBeGreaterThanOrEqual(SHARE_MIN)
  }
}

function shared(a: string, b: string): number {
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return length
}

describe('successive windows', () => {
  test('[WIN-5] begin alike for many steps, and share all but the end', () => {
    const talks = fc.record({
      seed: fc.nat(),
      sizes: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 400, maxLength: 400 }),
    })
    holds(
      talks,
      ({ seed, sizes }) => {
        const set = new ChangeSet(sha256)
        const writer = new BranchWriter(set, seededHost(seed), 'main', 'agent')
        const windows = windowsOf(set)
        const recipe = resolveOptions({ budget: 2_000, count: byLength }, Talk)
        const succession = new Succession()
        for (const [at, size] of sizes.entries()) {
          writer.write({ entries: [{ kind: 'plain', value: 'x'.repeat(size) }] })
          // Changes without entries come in between, so that lamport times are not dense.
          if (at % 2 === 0) writer.write({ touches: ['/a'] })
          succession.add(windows.make(recipe, byLength), at + 1)
        }
        // One that took all that fits would begin anew at every step.
        expect(succession.full).toBeGreaterThan(300)
        expect(succession.begunAnew).toBeLessThan(succession.full / 6)
      },
      5,
    )
  })

  test('[WIN-5] do not depend on what is far behind them', () => {
    const set = new ChangeSet(sha256)
    const host = seededHost(3)
    const writer = new BranchWriter(set, host, 'main', 'agent')
    for (let i = 0; i < 300; i++) writer.write({ entries: [{ kind: 'plain', value: `entry ${i}` }] })
    const windows = windowsOf(set)
    const make = () => windows.make(resolveOptions({ budget: 900, count: byLength }, Talk), byLength)
    const before = make()
    const late = new BranchWriter(replicaOf(set.changes().slice(0, 20)), host, 'main', 'late')
    for (let i = 0; i < 7; i++) set.add(late.write({ entries: [{ kind: 'plain', value: 'late' }] })!)
    expect(windows.make(resolveOptions({ budget: 1e6, count: byLength }, Talk), byLength).text).toContain(
      'late',
    )
    expect(make().text).toBe(before.text)
  })

  test('[WIN-5] what is pinned comes first and stays where it is while the talk goes on', () => {
    const set = new ChangeSet(sha256)
    const writer = new BranchWriter(set, seededHost(4), 'main', 'agent')
    const make = (windows: Windows) =>
      windows.make(
        resolveOptions({ budget: 1_000, count: byLength, pin: { kinds: ['plain'] } }, Talk),
        byLength,
      )
    writer.write({ entries: [{ kind: 'message', value: { n: 0 } }] })
    writer.write({ entries: [{ kind: 'plain', value: 'the rules' }] })
    const windows = windowsOf(set)
    for (let n = 0; n < 300; n += 8) {
      writer.write({ entries: [{ kind: 'message', value: { n } }] })
      const { included, tokens } = make(windows)
      expect(tokens).toBeLessThanOrEqual(1_000)
      expect(included.map(({ tier }) => tier).slice(0, 2)).toEqual(['pinned', 'history'])
    }
  })
})

interface Run {
  readonly workflow: string
  readonly branch: string
  readonly messages: readonly Json[]
}

const recorded = ['../../../shared/traces/airline.jsonl', '../../packages/cli/samples/fan-outs.jsonl']
  .map(path => fileURLToPath(new URL(path, import.meta.url)))
  .find(existsSync)!

/** Recorded runs by workflow: attempts that are branches of one context. */
function fanOuts(): Run[][] {
  const byWorkflow = new Map<string, Run[]>()
  for (const line of readFileSync(recorded, 'utf8').trim().split('\n')) {
    const run = JSON.parse(line) as Run
    byWorkflow.set(run.workflow, [...(byWorkflow.get(run.workflow) ?? []), run])
  }
  return [...byWorkflow.values()]
}

const CHECKS: Readonly<Record<WindowFormat, (messages: readonly unknown[]) => void>> = {
  openai: expectOpenAi,
  'ai-sdk': expectAiSdk,
  anthropic: expectAnthropic,
  parts: () => {},
}

const BUDGETS = [1_000, 4_000, 16_000]
const FORMATS = ['openai', 'ai-sdk', 'anthropic'] as const

/** A third of the recorded runs, another one for each budget and for each format: a Latin square. */
function shareOf(budget: number, as: (typeof FORMATS)[number]): Run[][] {
  const share = (BUDGETS.indexOf(budget) + FORMATS.indexOf(as)) % FORMATS.length
  return fanOuts().filter((_, index) => index % FORMATS.length === share)
}

describe.each(BUDGETS)('of recorded runs, within %i tokens', budget => {
  test.each(FORMATS)('[WIN-1] [WIN-2] [WIN-4] [WIN-5] as %s', as => {
    const total = { steps: 0, full: 0, begunAnew: 0 }
    const recipe = resolveOptions({ budget, count: o200k, as }, Talk)
    for (const runs of shareOf(budget, as)) {
      const set = new ChangeSet(sha256)
      const host = seededHost(runs.length)
      new BranchWriter(set, host, 'main', 'supervisor').fork(runs.map(({ branch }) => branch))
      for (const { branch, messages } of runs) {
        const writer = new BranchWriter(set, host, branch, branch)
        const windows = windowsOf(set, set.view(branch))
        const succession = new Succession()
        for (const [at, message] of messages.entries()) {
          writer.write({ entries: [{ kind: 'plain', value: message }] })
          const window = windows.make(recipe, o200k)
          expect(window.tokens).toBeLessThanOrEqual(budget)
          CHECKS[as](window.messages)
          succession.add(window, at + 1)
          if (at % 16 !== 0) continue
          expect(o200k.count(JSON.stringify(window.messages))).toBeLessThanOrEqual(budget)
          const elsewhere = replicaOf(set.changes())
          expect(windowsOf(elsewhere, elsewhere.view(branch)).make(recipe, o200k).text).toBe(window.text)
        }
        for (const key of ['steps', 'full', 'begunAnew'] as const) total[key] += succession[key]
      }
      const all = windowsOf(set).make(recipe, o200k)
      expect(all.tokens).toBeLessThanOrEqual(budget)
      CHECKS[as](all.messages)
    }
    expect(total.steps).toBeGreaterThan(0)
    expect(total.begunAnew).toBeLessThanOrEqual(total.full / 4)
  })
})
