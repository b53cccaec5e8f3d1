import { decodeChange } from '@automerge/automerge'
import {
  BranchWriter,
  type Change,
  type ChangeId,
  ChangeSet,
  CommitIndex,
  defineContext,
  derivedFrom,
  ERASURES_BRANCH,
  erasureOf,
  findConflicts,
  isWeftError,
  type Json,
  type JsonObject,
  migrationOf,
  planRevert,
  type RevertTarget,
  withPointers,
} from '@weft/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { comesUp, type Dice, holds, pick, seededDice, seededHost, sha256 } from '../support/core-property.ts'

/** Writers of one context on branches of their own, each under the branch's name. */
class Scene {
  readonly set = new ChangeSet(sha256)
  readonly #host = seededHost(23)
  readonly #index = new CommitIndex()
  readonly writers = new Map<string, BranchWriter>()

  constructor(...branches: readonly string[]) {
    this.on('main').write({ state: { begun: true } })
    if (branches.length > 0) this.on('main').fork(branches)
  }

  on(branch: string): BranchWriter {
    const known = this.writers.get(branch) ?? this.#newWriter(branch)
    this.writers.set(branch, known)
    return known
  }

  /** Undefined takes a key away. */
  write(values: Readonly<Record<string, Json | undefined>>, branch = 'main'): Change {
    return this.on(branch).write({ state: this.#with(values, branch) })!
  }

  resolve(key: string, value: Json | undefined, branch = 'main'): Change {
    return this.on(branch).write({ state: this.#with({ [key]: value }, branch), touches: [`/${key}`] })!
  }

  revert(target: RevertTarget, branch = 'main'): Change {
    const { set, state } = this.on(branch)
    const { changes, pointers } = planRevert(set, set.view(branch), state, target, this.#index)
    return this.on(branch).write({
      notes: { reverts: set.dag.packIds(set.nodes(changes)) },
      state: withPointers(state.read(), pointers),
      touches: pointers.map(({ pointer }) => pointer),
    })!
  }

  migrate(to: number, migrations: Readonly<Record<number, (old: JsonObject) => JsonObject>>): Change {
    const definition = defineContext({ name: 'm', version: to, entries: {}, migrations: migrations as never })
    const change = migrationOf(this.set, definition as never, 'main', sha256)!
    this.set.add(change)
    return change
  }

  erase(...changes: readonly Change[]): void {
    const write = erasureOf(this.set, this.set.nodes(changes.map(({ id }) => id)), undefined, sha256)
    this.on(ERASURES_BRANCH).write({ ...write, at: [] })
  }

  derivedFrom(change: Change): readonly ChangeId[] {
    return derivedFrom(this.set, new Set(this.set.nodes([change.id]))).changes
  }

  free(): void {
    for (const { state } of this.writers.values()) state.free()
  }

  #newWriter(branch: string): BranchWriter {
    return new BranchWriter(this.set, this.#host, branch, 'agent', undefined, { name: 'm', version: 1 })
  }

  #with(values: Readonly<Record<string, Json | undefined>>, branch: string): JsonObject {
    const entries = Object.entries({ ...this.on(branch).state.read(), ...values })
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as JsonObject
  }
}

/** The values that a state change holds, as text. */
function valuesIn({ state }: Change): string {
  if (state === null) return ''
  return JSON.stringify(decodeChange(state).ops.map(op => ('value' in op ? op.value : null)))
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}

const KEYS = ['a', 'b']

/** A value that no other change writes, of whatever shape. */
function newValue(token: string, dice: Dice, before: Json | undefined): Json {
  const kind = dice(6)
  if (kind === 0) return { x: `${token}x`, y: `${token}y` }
  if (kind === 1) return [token]
  if (Array.isArray(before)) return [...(before as Json[]).slice(dice(2)), token]
  return typeof before === 'object' && before !== null
    ? { ...before, [pick(['x', 'y'], dice(2))]: token }
    : token
}

interface Played {
  readonly scene: Scene
  /** By what nobody else wrote, the change that did first. */
  readonly tokens: ReadonlyMap<string, Change>
}

/** Branches that write, delete, revert, merge and resolve; nobody copies anything but Weft. */
function play(seed: number, steps: number): Played {
  const dice = seededDice(seed)
  const scene = new Scene('p', 'q')
  const tokens = new Map<string, Change>()
  for (let step = 0; step < steps; step++) {
    const branch = pick(['main', 'p', 'q'], dice(3))
    const writer = scene.on(branch)
    const key = pick(KEYS, dice(2))
    const act = dice(10)
    if (act < 3) {
      const token = `<${step}>`
      tokens.set(token, scene.write({ [key]: newValue(token, dice, writer.state.read()[key]) }, branch))
    } else if (act === 3) scene.write({ [key]: undefined }, branch)
    else if (act < 6) tryRevert(scene, branch, dice)
    else if (act < 8) writer.merge([pick(['main', 'p', 'q'], dice(3))])
    else settle(scene, branch, dice)
  }
  return { scene, tokens }
}

function tryRevert(scene: Scene, branch: string, dice: Dice): void {
  const seen = [...scene.set.view(branch).arrived].slice(-8)
  const chosen = Array.from({ length: 1 + dice(2) }, () => scene.set.dag.id(pick(seen, dice(1_000))))
  try {
    scene.revert({ changes: [...new Set(chosen)] }, branch)
  } catch (error) {
    if (!isWeftError(error)) throw error
  }
}

function settle(scene: Scene, branch: string, dice: Dice): void {
  const { set, state } = scene.on(branch)
  const conflict = findConflicts(set, set.view(branch), state).find(({ pointer }) => /^\/\w$/.test(pointer))
  if (conflict === undefined) return
  const values = conflict.values.flatMap(({ pointer, value }) =>
    pointer === conflict.pointer ? [value] : [],
  )
  const chosen = pick(values, dice(1_000))
  const text = textsIn(values).join(' and ')
  scene.resolve(conflict.pointer.slice(1), dice(3) === 0 ? text : chosen, branch)
}

test('[ERA-1] [STP-4] [MRG-2] whatever Weft has copied of what is erased is found, and hardly anything else', () => {
  let [copies, more] = [0, 0]
  holds(
    fc.tuple(fc.nat(), fc.integer({ min: 5, max: 40 })),
    ([seed, steps]) => {
      const { scene, tokens } = play(seed, steps)
      for (const [token, change] of tokens) {
        const derived = scene.derivedFrom(change)
        const others = scene.set.changes().filter(each => each !== change)
        const holding = others.filter(each => valuesIn(each).includes(token)).map(({ id }) => id)
        expect(derived).toEqual(expect.arrayContaining(holding))
        copies += holding.length
        more += derived.length - holding.length
      }
      scene.free()
    },
    100,
  )
  comesUp(copies, 66, 'copies')
  // What a copy holds beside it is derived from that as well.
  comesUp(copies, 20 * more, 'copies, for each change more that is found')
})

describe('[ERA-1] [STP-4] a revert', () => {
  test('that brings a value back holds it, and so does one that brings that back', () => {
    const scene = new Scene()
    const secret = scene.write({ key: 'secret' })
    const over = scene.write({ key: 'other' })
    const back = scene.revert({ change: over.id })
    const away = scene.revert({ change: back.id })
    const again = scene.revert({ change: away.id })
    expect(scene.derivedFrom(secret)).toEqual([back.id, again.id])
    expect(scene.derivedFrom(over)).toEqual([away.id])
    // As well when there is nothing left to compare it with.
    scene.erase(secret)
    expect(scene.derivedFrom(secret)).toEqual([back.id, again.id])
  })

  test('of the value itself holds what had stood there, and one of another holds that other', () => {
    const scene = new Scene()
    scene.write({ key: 'old', other: 'old' })
    const other = scene.write({ other: 'new' })
    const secret = scene.write({ key: 'secret' })
    scene.revert({ change: secret.id })
    scene.revert({ change: other.id })
    expect(scene.derivedFrom(secret)).toEqual([])
    scene.erase(secret)
    expect(scene.derivedFrom(secret)).toEqual([])
  })

  test('of what was written over something else holds nothing of what stood there before that', () => {
    const scene = new Scene()
    const secret = scene.write({ key: 'secret', flag: true })
    scene.write({ key: 'other', flag: false })
    const last = scene.write({ key: 'last', flag: true })
    scene.revert({ change: last.id })
    expect(scene.derivedFrom(secret)).toEqual([])
    scene.erase(secret)
    expect(scene.derivedFrom(secret)).toEqual([])
  })

  test('holds a part of it, or what no text tells', () => {
    const scene = new Scene()
    const whole = scene.write({ settings: { key: 'secret', a: 1 } })
    const part = scene.write({ settings: { key: 'secret', a: 2 } })
    const partly = scene.revert({ change: part.id })
    const flag = scene.write({ flag: true })
    const down = scene.write({ flag: false })
    const up = scene.revert({ change: down.id })
    expect(scene.derivedFrom(whole)).toEqual([partly.id])
    expect(scene.derivedFrom(flag)).toEqual([up.id])
    expect(scene.derivedFrom(part)).toEqual([])
  })
})

/** Two branches that disagree, merged: the change that won, and the other. */
function disagreeing(): { scene: Scene; won: Change; lost: Change } {
  const scene = new Scene('p', 'q')
  const written = [scene.write({ key: 'of p' }, 'p'), scene.write({ key: 'of q' }, 'q')] as const
  scene.on('main').merge(['p', 'q'])
  const [p, q] = written
  return scene.on('main').state.read().key === 'of p'
    ? { scene, won: p, lost: q }
    : { scene, won: q, lost: p }
}

describe('[ERA-1] [MRG-2] a resolution', () => {
  test('holds the value that it chose, and not the one that it did not', () => {
    const { scene, won, lost } = disagreeing()
    const chosen = scene.resolve('key', lost.header.branch === 'p' ? 'of p' : 'of q')
    expect(scene.derivedFrom(lost)).toEqual([chosen.id])
    expect(scene.derivedFrom(won)).toEqual([])
    scene.erase(lost)
    expect(scene.derivedFrom(lost)).toEqual([chosen.id])
  })

  test('that is made of several holds each of them; a value of its own, or none, holds none', () => {
    for (const [value, isMade] of [
      ['of p and of q', true],
      [['of p', 'of q'], true],
      ['another', false],
      [undefined, false],
    ] as const) {
      const { scene, won, lost } = disagreeing()
      const { id } = scene.resolve('key', value)
      for (const change of [won, lost]) expect(scene.derivedFrom(change)).toEqual(isMade ? [id] : [])
    }
  })

  test('that keeps the winner holds nothing, and what a revert takes from it does', () => {
    const { scene, won, lost } = disagreeing()
    const kept = scene.resolve('key', won.header.branch === 'p' ? 'of p' : 'of q')
    expect(kept.state).toBeNull()
    const back = scene.revert({ change: scene.write({ key: 'another' }).id })
    expect(scene.derivedFrom(won)).toEqual([back.id])
    expect(scene.derivedFrom(lost)).toEqual([])
  })
})

describe('[ERA-1] [HND-2] a migration', () => {
  const renamed = ({ key, ...rest }: JsonObject): JsonObject => ({ ...rest, renamed: key ?? null })
  const moved = ({ renamed: key, ...rest }: JsonObject): JsonObject => ({
    ...rest,
    moved: { key: key ?? null },
  })

  test('holds what it moved, and so does the next one', () => {
    for (const value of ['secret', true]) {
      const scene = new Scene()
      const secret = scene.write({ key: value })
      const beside = scene.write({ beside: 'not touched' })
      const [first, second] = [scene.migrate(2, { 2: renamed }), scene.migrate(3, { 3: moved })]
      expect(scene.derivedFrom(secret)).toEqual([first.id, second.id])
      expect(scene.derivedFrom(beside)).toEqual([])
      scene.erase(secret)
      expect(scene.derivedFrom(secret)).toEqual([first.id, second.id])
    }
  })

  test('holds what it made of a text, or of a part of it, wherever that is', () => {
    const scene = new Scene()
    const [name, full] = [scene.write({ key: 'ada' }), scene.write({ full: 'ada lovelace' })]
    const made = ({ key, full: whole, ...rest }: JsonObject): JsonObject => ({
      ...{ ...rest, key: key!, full: whole! },
      greeting: `dear ${key}`,
      last: String(whole).split(' ')[1]!,
    })
    const { id } = scene.migrate(2, { 2: made })
    expect(scene.derivedFrom(name)).toEqual([id])
    expect(scene.derivedFrom(full)).toEqual([id])
  })

  test('holds nothing of what was written over, or taken back, before it', () => {
    const scene = new Scene()
    const over = scene.write({ key: 'secret' })
    const back = scene.write({ key: 'another' })
    const again = scene.revert({ change: back.id })
    scene.revert({ change: over.id })
    const last = scene.write({ key: 'last' })
    const migrated = scene.migrate(2, { 2: renamed })
    expect(scene.derivedFrom(over)).toEqual([again.id])
    expect(scene.derivedFrom(back)).toEqual([])
    expect(scene.derivedFrom(last)).toEqual([migrated.id])
  })
})

test('[ERA-1] who moves an item of a list has written it anew', () => {
  const scene = new Scene()
  scene.write({ list: ['first'] })
  const secret = scene.write({ list: ['first', 'secret'] })
  scene.write({ list: ['first', 'secret', 'third'] })
  const shifted = scene.write({ list: ['first', 'third', 'secret'] })
  expect(valuesIn(shifted)).toContain('secret')
  expect(scene.derivedFrom(secret)).toEqual([shifted.id])
  // Nor is it otherwise where a list is named as a whole.
  scene.write({ list: undefined })
  const again = scene.write({ list: ['secret', 'fifth'] })
  expect(again.header.writes).toEqual(['state:/list'])
  expect(scene.derivedFrom(secret)).toEqual([shifted.id, again.id])
})
