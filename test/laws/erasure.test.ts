import {
  BranchWriter,
  type Change,
  type ChangeId,
  ChangeSet,
  decodeChange,
  defineContext,
  digest,
  ERASURES_BRANCH,
  erasureOf,
  fromHex,
  type Host,
  pointersOf,
  resolveOptions,
  Staleness,
  StateDoc,
  Windows,
} from '@weft/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type History, histories, replicaOf } from '../support/core-history.ts'
import {
  type Dice,
  holds,
  pick,
  pickSome,
  seededDice,
  seededHost,
  sha256,
  shuffled,
} from '../support/core-property.ts'

/** The changes that erase some of a history, two of them naming one change twice. */
function erasing({ changes }: History, bits: number, host: Host): Change[] {
  const set = replicaOf(changes)
  const named = pickSome(changes, bits)
    .filter(({ header }) => header.kinds.length > 0 || header.stateHashAt >= 0)
    .map(({ id }) => set.dag.node(id))
  const halves = [named.filter((_, at) => at % 2 === 0), named.filter((_, at) => at % 2 === 1 || at === 0)]
  return halves
    .filter(nodes => nodes.length > 0)
    .map((nodes, at) => {
      const writer = new BranchWriter(set, host, ERASURES_BRANCH, 'admin')
      return writer.write({ ...erasureOf(replicaOf(changes), nodes, `why ${at}`, sha256), at: [] })!
    })
}

/** In a random order that the deps allow. */
function arranged(changes: readonly Change[], dice: Dice): Change[] {
  const waiting = shuffled(changes, dice)
  const placed = new Set<ChangeId>()
  const order: Change[] = []
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ header }) => header.deps.every(dep => placed.has(dep)))
    const [change] = waiting.splice(next, 1)
    placed.add(change!.id)
    order.push(change!)
  }
  return order
}

/** A replica that was given these from a log, in that order. */
function fromLog(changes: readonly Change[]): ChangeSet {
  const set = new ChangeSet(sha256)
  for (const { bytes } of changes) set.add(decodeChange(bytes.slice(), sha256), true)
  return set
}

function mixed(full: readonly Change[], bare: readonly Change[], dice: Dice): Change[] {
  const byId = new Map(bare.map(change => [change.id, change]))
  return full.map(change => (dice(2) === 0 ? byId.get(change.id)! : change))
}

test('[ERA-1] [CHG-4] replicas that held what was erased and replicas that never did agree, in whatever order it came', () => {
  const history = histories({ steps_max: 30, edits: true })
  holds(
    fc.tuple(history, fc.nat(0xffff), fc.nat()),
    ([all, bits, seed]) => {
      const dice = seededDice(seed)
      const erasures = erasing(all, bits, seededHost(~seed))
      const everything = [...all.changes, ...erasures]
      const first = fromLog(everything)
      const bare = [...first.changes()]
      const expected = digest(first, sha256)
      for (const copies of [everything, bare, mixed(everything, bare, dice), [...erasures, ...bare]]) {
        const order = copies[0] === erasures[0] ? copies : arranged(copies, dice)
        const set = fromLog(order)
        expect(digest(set, sha256)).toBe(expected)
        checkErased(set, erasures)
      }
    },
    40,
  )
})

test('[ERA-1] what erases nothing that is here, or what is erased already, makes nobody begin anew', () => {
  const host = seededHost(3)
  const set = new ChangeSet(sha256)
  const said = new BranchWriter(set, host, 'main', 'agent').write({ entries: [{ kind: 'note', value: 1 }] })!
  const eraser = (): BranchWriter => new BranchWriter(set, host, ERASURES_BRANCH, 'admin')
  const erases = (id: ChangeId) => eraser().write({ notes: { erases: fromHex(id) }, at: [] })!
  const entries = set.entries(set.everything())
  erases('ab'.repeat(32))
  expect(set.forgotten).toBe(0)
  expect(set.entries(set.everything())[0]).toBe(entries[0])

  const ids = [erases(said.id).id]
  expect(set.forgotten).toBe(1)
  for (let more = 0; more < 50; more++) {
    const before = set.forgotten
    ids.push(erases(said.id).id)
    // Of several the first by id is told of, so only such a one is news.
    expect(set.forgotten - before).toBe(ids.at(-1) === ids.toSorted()[0] ? 1 : 0)
    expect(set.entries(set.everything())[0]!.erased!.by).toBe(ids.toSorted()[0])
  }
})

test('[ERA-1] [CHG-4] whoever knows of an erasure and whoever does not write on, and agree when they have met', () => {
  const history = histories({ steps_max: 20, edits: true })
  const edits = fc.array(fc.record({ knows: fc.boolean(), branch: fc.nat(9), value: fc.nat(9) }), {
    minLength: 1,
    maxLength: 12,
  })
  holds(
    fc.tuple(history, fc.nat(0xffff), fc.nat(), edits),
    ([all, bits, seed, plan]) => {
      const host = seededHost(~seed)
      const erasures = erasing(all, bits, host)
      const [knowing, other] = [fromLog([...all.changes, ...erasures]), fromLog(all.changes)]
      const writers = [...writersOn(knowing, host), ...writersOn(other, host)]
      for (const { knows, branch, value } of plan) {
        const [from, to] = knows ? [knowing, other] : [other, knowing]
        const mine = writers.filter(({ set }) => set === from)
        const writer = pick(mine, branch)
        const state = { ...writer.state.read(), [`k${value % 3}`]: [value, { value }] }
        const change = writer.write({ state, entries: [{ kind: 'message', value }] })
        if (change && value % 2 === 0) for (const each of from.changes()) to.add(each, true)
      }
      for (const each of [...knowing.changes()]) other.add(each, true)
      for (const each of [...other.changes()]) knowing.add(each, true)
      for (const { set, branch, state } of writers) {
        // One that was read before the erasure came shows what one does that was made after.
        const anew = new StateDoc(set, set.view(branch))
        expect(state.read()).toEqual(anew.read())
        for (const each of [anew, state]) each.free()
      }
      expect(digest(other, sha256)).toBe(digest(knowing, sha256))
      const late = fromLog(knowing.changes())
      expect(digest(late, sha256)).toBe(digest(knowing, sha256))
      checkErased(other, erasures)
      checkErased(late, erasures)
    },
    40,
  )
})

test('[ERA-1] [CHG-5] what is none stands in for nothing, alike for whoever has the state and whoever gets it later', () => {
  const host = seededHost(7)
  const set = new ChangeSet(sha256)
  const author = new BranchWriter(set, host, 'main', 'agent')
  const wrote = author.write({ state: { key: 'a' } })!
  const later = author.write({ state: { key: 'b' } })!
  const right = erasureOf(set, [set.dag.node(wrote.id)], undefined, sha256)
  const { standIn } = right.entries![0]!.value as { standIn: string }
  const flipped = `${standIn.slice(0, -2)}${standIn.endsWith('00') ? '01' : '00'}`
  const values = [
    { change: wrote.id, standIn: flipped },
    { change: wrote.id, standIn: 'ab' },
    { change: wrote.id },
    7,
    null,
  ]
  for (const value of values) {
    const forged = new BranchWriter(fromLog([]), host, ERASURES_BRANCH, 'admin').write({
      ...right,
      entries: [{ kind: 'weft.stand-in', value }],
    })!
    const [before, after] = [fromLog([wrote, later, forged]), fromLog([forged, wrote, later])]
    expect(digest(before, sha256)).toBe(digest(after, sha256))
    expect(before.change(0).state).toEqual(wrote.state)
  }
})

test('[ERA-1] lists and windows that were made before show nothing of it any more', () => {
  const host = seededHost(3)
  const set = new ChangeSet(sha256)
  const author = new BranchWriter(set, host, 'main', 'agent')
  const said = author.write({ entries: [{ kind: 'message', value: 'canary' }] })!
  author.write({ entries: [{ kind: 'message', value: 'rest' }] })
  const call = { id: 'a', type: 'function', function: { name: 'look', arguments: '{}' } }
  author.write({ entries: [{ kind: 'message', value: { role: 'assistant', tool_calls: [call] } }] })
  const result = { role: 'tool', tool_call_id: 'a', content: 'the canary sings' }
  const answered = author.write({ entries: [{ kind: 'message', value: result }] })!
  const view = set.view('main')
  const newWindows = () => new Windows(set, view, new Staleness(set, view), {}, sha256)
  const windows = newWindows()
  const recipe = resolveOptions({ budget: 1_000, as: 'openai', count: COUNTER, overlays: [] }, Plain)
  const shown = () => [JSON.stringify(set.entries(view)), windows.make(recipe, COUNTER).text]
  for (const text of shown()) expect(text).toContain('canary')
  const write = erasureOf(set, set.nodes([said.id, answered.id]), undefined, sha256)
  new BranchWriter(set, host, ERASURES_BRANCH, 'admin').write({ ...write, at: [] })
  for (const text of shown()) {
    expect(text).not.toContain('canary')
    expect(text).toContain('rest')
  }
  expect(windows.make(recipe, COUNTER).leftOut).toEqual(newWindows().make(recipe, COUNTER).leftOut)
})

const COUNTER = { name: 'characters', adds: true, count: (text: string) => text.length }
const Plain = defineContext({ name: 'plain', version: 1, entries: {} })

function writersOn(set: ChangeSet, host: Host): BranchWriter[] {
  return set.branches
    .names()
    .filter(name => name !== ERASURES_BRANCH)
    .map(name => new BranchWriter(set, host, name, 'agent'))
}

function checkErased(set: ChangeSet, erasures: readonly Change[]): void {
  const erased = new Set<ChangeId>()
  for (let node = 0; node < set.size; node++) {
    const change = set.change(node)
    const isErased = set.erasures.has(change.id)
    if (isErased) erased.add(change.id)
    expect(change.complete).toBe(!isErased)
    for (const entry of set.entriesOf(node)) {
      expect(entry.erased !== undefined).toBe(isErased)
      expect(entry.value === null).toBe(isErased)
      if (isErased) expect(erasures.map(({ id }) => id)).toContain(entry.erased?.by)
    }
    expect(set.entriesOf(node).length).toBe(change.header.kinds.length)
  }
  const state = new StateDoc(set, set.everything())
  for (const id of erased) {
    const node = set.dag.node(id)
    if (set.change(node).standIn === null) continue
    for (const pointer of pointersOf(set.change(node).header.writes)) {
      expect(
        leaves(state.readAfter(node, pointer)).filter(leaf => leaf !== null && leaf !== undefined),
      ).toEqual([])
    }
  }
  expect(state.refused.size).toBe(0)
  state.free()
}

function leaves(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [value]
}
