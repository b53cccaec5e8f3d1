import {
  BranchWriter,
  type Change,
  type ChangeSet,
  CommitIndex,
  digest,
  type EntryId,
  Intake,
  planRevert,
  resolveOptions,
  Staleness,
  SUMMARY_KIND,
  type Window,
  type WindowOptions,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codeOf, forged } from '../support/core-forge.ts'
import { type History, histories, replicaOf } from '../support/core-history.ts'
import { Oracle } from '../support/core-oracle.ts'
import { holds, pick, seededDice, seededHost, sha256, shuffled } from '../support/core-property.ts'
import { derivedFrom } from '../support/staleness-oracle.ts'
import { byLength, Talk, windowsOf } from '../support/window-values.ts'

interface Compacted {
  /** With the summary, and what came late. */
  readonly changes: readonly Change[]
  readonly summary: Change
  /** The changes of the range, by its definition. */
  readonly range: ReadonlySet<string>
  readonly late: readonly Change[]
}

const compactions = fc
  .tuple(
    histories({ steps_max: 40 }),
    fc.record({ branch: fc.nat(), from: fc.nat(), to: fc.nat(), late: fc.nat(4), seed: fc.nat() }),
  )
  .filter(([{ changes }]) => changes.length > 0)
  .map(([history, choice]) => ({
    ...compact(history, choice),
    [fc.toStringMethod]: () => `${fc.stringify(history)} ${JSON.stringify(choice)}`,
  }))

/** A history, a summary of some range of one of its branches, and writes beside it by those who had not heard of it. */
function compact(
  { changes, host }: History,
  choice: { branch: number; from: number; to: number; late: number; seed: number },
): Compacted {
  const dice = seededDice(choice.seed)
  const set = replicaOf(changes)
  const branch = pick(
    set.branches.names().filter(name => set.view(name).size > 0),
    choice.branch,
  )
  const visible = [...set.view(branch).arrived]
  const to = pick(visible, choice.to)
  const from = choice.from % 3 === 0 ? [] : [pick(visible, choice.from >> 2)]
  const notes = { summary: { from: set.dag.packIds(from), to: set.dag.packIds([to]) } }
  const causes = new Oracle(changes)
  const upTo = (node: number): string[] => [set.dag.id(node), ...causes.past(set.dag.id(node))]
  const before = new Set(from.flatMap(upTo))
  const range = new Set(upTo(to).filter(id => !before.has(id)))
  const compactor = new BranchWriter(set, host, branch, 'compactor')
  const summary = compactor.write({ entries: [{ kind: SUMMARY_KIND, value: { text: 'in short' } }], notes })!
  const late = Array.from({ length: choice.late }, (_, index) => {
    const elsewhere = replicaOf(changes)
    const name = pick(elsewhere.branches.names(), dice(8))
    const writer = new BranchWriter(elsewhere, host, name, `late-${index}`)
    return writer.write({ entries: [{ kind: 'plain', value: `late ${index}` }], at: [dice(elsewhere.size)] })!
  })
  return { changes: [...changes, summary, ...late], summary, range, late }
}

const EVERYTHING: WindowOptions = { budget: 1e9, count: byLength }

function windowOf(set: ChangeSet, chosen: WindowOptions = EVERYTHING): Window {
  return windowsOf(set).make(resolveOptions(chosen, Talk), chosen.count)
}

const entriesIn = (set: ChangeSet, ids: Iterable<string>): EntryId[] =>
  [...ids].flatMap(id => set.entriesOf(set.dag.node(id)).map(entry => entry.id))

/** Whether it is of no tool: what is of one stays while a part of its unit does. */
function isAlone(set: ChangeSet, id: EntryId): boolean {
  const [change, index] = id.split('.')
  const { kind, value } = set.entriesOf(set.dag.node(change!))[Number(index)]!
  return kind === 'plain' || !/tool|c\d/.test(JSON.stringify(Talk.render[kind]?.(value as never)) ?? '')
}

describe('a summary', () => {
  test('[CMP-1] is shown instead of its range, and of nothing else', () => {
    holds(compactions, ({ changes, summary, range, late }) => {
      const set = replicaOf(changes)
      const without = windowOf(replicaOf(changes.filter(change => change !== summary)))
      const window = windowOf(set)
      const shown = window.included.map(({ entry }) => entry)
      const said = without.included.map(({ entry }) => entry).filter(id => isAlone(set, id))
      const swallowed = entriesIn(set, range)
      expect(shown.filter(id => id !== `${summary.id}.0` && isAlone(set, id))).toEqual(
        said.filter(id => !swallowed.includes(id)),
      )
      expect(shown).toContain(`${summary.id}.0`)
      for (const id of entriesIn(
        set,
        late.map(change => change.id),
      ))
        expect(shown).toContain(id)
      for (const { entry, why, detail } of window.leftOut) {
        if (why === 'summarised')
          expect([swallowed.includes(entry), detail]).toEqual([true, `${summary.id}.0`])
      }
    })
  })

  test('[CMP-1] never swallows what is pinned', () => {
    holds(compactions, ({ changes }) => {
      const set = replicaOf(changes)
      const shown = windowOf(set, { ...EVERYTHING, pin: { kinds: ['decision'] } }).included
      for (const { id, kind } of set.entries(set.everything())) {
        if (kind === 'decision')
          expect(shown).toContainEqual(expect.objectContaining({ entry: id, tier: 'pinned' }))
      }
    })
  })

  test('[CMP-1] is marked by what came to the branches of its range from somebody who had not seen all of it', () => {
    holds(compactions, ({ changes, summary, range, late }) => {
      const set = replicaOf(changes)
      const causes = new Oracle(changes)
      const branches = new Set([...range].map(id => set.change(set.dag.node(id)).header.branch))
      const { to } = summary.header.notes.summary!
      const top = set.dag.id(
        set.nodes(changes.map(({ id }) => id)).find(node => set.dag.packIds([node]).join() === to.join())!,
      )
      const unaware = changes.filter(
        ({ id, header }) =>
          header.kinds.length > 0 &&
          branches.has(header.branch) &&
          causes.concurrent(id, summary.id) &&
          !causes.isAncestor(top, id),
      )
      const stale = new Staleness(set, set.everything()).all().filter(each => each.change === summary.id)
      expect(stale.flatMap(each => each.causes.map(({ change, kind }) => [change, kind])).toSorted()).toEqual(
        unaware.map(({ id }) => [id, 'stale-read']).toSorted(),
      )
      const told = windowOf(set).text.includes('[stale] [weft.summary] in short')
      expect(told).toBe(unaware.length > 0)
      expect(unaware.filter(change => !late.includes(change)).every(({ id }) => !range.has(id))).toBe(true)
    })
  })

  test('[CMP-1] [STL-6] was derived from each entry of its range, and from what that led to there', () => {
    holds(
      compactions,
      ({ changes, summary, range }) => {
        const set = replicaOf(changes)
        const staleness = new Staleness(set, set.everything())
        const swallowed = new Set(entriesIn(set, range))
        for (const { id } of set.entries(set.everything())) {
          const led = derivedFrom(changes, `entry:${id}`)
          const isFrom = swallowed.has(id) || [...led].some(each => swallowed.has(each))
          const expected = new Set(isFrom ? [...led, `${summary.id}.0`] : led)
          expect(new Set(staleness.blastRadius(`entry:${id}`).entries)).toEqual(expected)
        }
      },
      60,
    )
  })

  test('[CMP-1] [WIN-4] is the same, stale or not, in every order of arrival', () => {
    holds(
      compactions,
      ({ changes, summary }) => {
        const whole = replicaOf(changes)
        const set = replicaOf([])
        const intake = new Intake(set)
        const staleness = new Staleness(set, set.everything())
        const told: string[] = []
        for (const change of shuffled(changes, seededDice(summary.header.time))) {
          intake.receive(change)
          told.push(...staleness.catchUp().map(({ change: id }) => id))
        }
        const expected = new Staleness(whole, whole.everything()).all()
        expect(staleness.all()).toEqual(expected)
        expect(told.toSorted()).toEqual(expected.map(({ change }) => change).toSorted())
        expect(windowOf(set).text).toBe(windowOf(whole).text)
        expect(digest(set, sha256)).toBe(digest(whole, sha256))
      },
      100,
    )
  })
})

/** One branch with five entries of two agents, and a hand to write with. */
function talk() {
  const host = seededHost(5)
  const set = replicaOf([])
  const writer = new BranchWriter(set, host, 'main', 'planner')
  const say = (text: string, reads: readonly { ref: string; version?: string }[] = []) =>
    writer.write({ entries: [{ kind: 'plain', value: text }], reads })!
  const changes = [
    say('one'),
    say('two', [{ ref: 'ext:doc/1', version: 'v1' }]),
    say('three'),
    say('four'),
    say('five'),
  ]
  const summarize = (from: Change | undefined, to: Change, text = 'in short') =>
    writer.write({
      entries: [{ kind: SUMMARY_KIND, value: { text } }],
      notes: {
        summary: {
          from: set.dag.packIds(from ? [set.dag.node(from.id)] : []),
          to: set.dag.packIds([set.dag.node(to.id)]),
        },
      },
    })!
  const revert = (change: Change) =>
    writer.write({ notes: { reverts: set.dag.packIds([set.dag.node(change.id)]) } })!
  const texts = (chosen: Partial<WindowOptions> = {}) =>
    (JSON.parse(windowOf(set, { ...EVERYTHING, ...chosen }).text) as { content: string }[]).map(
      ({ content }) => content.replace(/\[(plain|weft\.summary)\] /, ''),
    )
  return { set, writer, host, say, changes, summarize, revert, texts }
}

describe('a summary of a talk', () => {
  test('[CMP-1] stands where its range began', () => {
    const { changes, summarize, texts, say } = talk()
    summarize(changes[0], changes[2]!)
    say('six')
    expect(texts()).toEqual(['one', 'in short', 'four', 'five', 'six'])
  })

  test('[CMP-1] is stale when something that was read in its range is written, and falls apart where stale is dropped', () => {
    const { set, writer, changes, summarize, texts } = talk()
    const summary = summarize(changes[0], changes[3]!)
    writer.write({ writes: ['ext:doc/1@v2'] })
    const staleness = new Staleness(set, set.everything())
    expect(staleness.why(`${summary.id}.0`)).toMatchObject({ causes: [], via: [`${changes[1]!.id}.0`] })
    expect(staleness.blastRadius('ext:doc/1').entries).toContain(`${summary.id}.0`)
    expect(texts()).toEqual(['one', '[stale] in short', 'five'])
    expect(texts({ staleness: 'keep' })).toEqual(['one', 'in short', 'five'])
    expect(texts({ staleness: { [SUMMARY_KIND]: 'drop' } })).toEqual([
      'one',
      '[stale] two',
      'three',
      'four',
      'five',
    ])
    const { leftOut } = windowOf(set, { ...EVERYTHING, staleness: { [SUMMARY_KIND]: 'drop' } })
    expect(leftOut).toEqual([expect.objectContaining({ entry: `${summary.id}.0`, why: 'stale' })])
  })

  test('[CMP-1] [STL-6] [STP-4] is found, and reverted, by the entry that it was made of, and so is what was made of it', () => {
    const { set, writer, changes, summarize, texts } = talk()
    const first = summarize(undefined, changes[1]!)
    const second = summarize(changes[1], first, 'shorter')
    const entry = `entry:${changes[0]!.id}.0`
    const staleness = new Staleness(set, set.everything())
    expect(staleness.blastRadius(entry)).toEqual({
      entries: [`${first.id}.0`, `${second.id}.0`],
      changes: [first.id, second.id],
      branches: ['main'],
    })
    const target = { blastRadius: entry }
    const { changes: named } = planRevert(set, set.view('main'), writer.state, target, new CommitIndex())
    expect(named).toEqual([first.id, second.id])
    writer.write({ notes: { reverts: set.dag.packIds(set.nodes(named)) } })
    expect(texts()).toEqual(['one', 'two', 'three', 'four', 'five'])
    expect(new Staleness(set, set.viewAt(set.nodes([changes[4]!.id]))).blastRadius(entry).entries).toEqual([])
  })

  test('[CMP-1] that is written after the write is stale from the beginning', () => {
    const { set, writer, changes, summarize } = talk()
    writer.write({ writes: ['ext:doc/1@v2'] })
    const summary = summarize(changes[0], changes[3]!)
    expect(new Staleness(set, set.everything()).why(`${summary.id}.0`)).toBeDefined()
  })

  test('[CMP-1] can be reverted, and its range is back; reverted once more, it is', () => {
    const { changes, summarize, texts, revert } = talk()
    const undo = revert(summarize(undefined, changes[4]!))
    expect(texts()).toEqual(['one', 'two', 'three', 'four', 'five'])
    revert(undo)
    expect(texts()).toEqual(['in short'])
  })

  test('[CMP-1] tells nothing of what was reverted after it: its range is back without that', () => {
    const { changes, summarize, texts, revert } = talk()
    const undo = revert(changes[0]!)
    summarize(undefined, changes[3]!)
    expect(texts()).toEqual(['in short', 'five'])
    const again = revert(changes[2]!)
    expect(texts()).toEqual(['two', 'four', 'five'])
    revert(again)
    expect(texts()).toEqual(['in short', 'five'])
    revert(undo)
    expect(texts()).toEqual(['one', 'two', 'three', 'four', 'five'])
  })

  test('[CMP-1] of summaries stands for what they stand for', () => {
    const { changes, summarize, texts, say } = talk()
    summarize(undefined, changes[2]!, 'a first')
    const last = say('six')
    summarize(changes[3], last, 'a second')
    expect(texts()).toEqual(['four', 'a second'])
  })

  test('[CMP-1] of two that were made at once the larger is shown; of equal ones, one', () => {
    const { set, host, changes, summarize, texts } = talk()
    const other = replicaOf([...set.changes()])
    const elsewhere = new BranchWriter(other, host, 'main', 'other')
    for (const [to, text] of [
      [3, 'larger'],
      [1, 'equal'],
    ] as const) {
      const notes = {
        summary: { from: new Uint8Array(0), to: other.dag.packIds([other.dag.node(changes[to]!.id)]) },
      }
      elsewhere.write({ entries: [{ kind: SUMMARY_KIND, value: { text } }], notes, at: [4] })
    }
    summarize(undefined, changes[1]!, 'equal')
    for (const change of other.changes()) set.add(change)
    expect(texts()).toEqual(['larger', 'five'])
  })

  test('[CMP-1] stays when what is old must go, and leaves room for what is new', () => {
    const { changes, summarize, texts, say } = talk()
    summarize(undefined, changes[4]!)
    for (let i = 0; i < 40; i++) say(`later ${i}`)
    const seen = texts({ budget: 600 })
    expect(seen[0]).toBe('in short')
    expect(seen.at(-1)).toBe('later 39')
    expect(texts({ budget: 90 })).toEqual(['later 39'])
  })

  test('[CMP-1] stands for nothing that its author had not seen, whatever it says', () => {
    const { set, changes, summarize } = talk()
    const honest = summarize(undefined, changes[1]!)
    const all = [...set.changes()]
    const beyond = forged(honest, {
      notes: { summary: { from: new Uint8Array(0), to: Uint8Array.from({ length: 32 }, () => 7) } },
    })
    const window = windowOf(replicaOf([...all.filter(change => change !== honest), beyond]))
    expect(window.leftOut).toEqual([])
    for (const summary of [{ from: 'x', to: 'y' }, { from: new Uint8Array(31), to: new Uint8Array(32) }, 7]) {
      expect(codeOf(() => forged(honest, { notes: { summary: summary as never } }))).toBe(
        'WEFT_CHANGE_TOO_LARGE',
      )
    }
  })
})
