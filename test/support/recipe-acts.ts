import { defineContext } from '@weft/replica'
import fc from 'fast-check'
import { current, isDraft } from 'immer'
import { z } from 'zod'
import { pick } from './core-property.ts'

interface Task {
  id: string
  n: number
  tags: string[]
  sub: { v: number }
}

export interface Board {
  todo: Task[]
  done: Task[]
  byName: Record<string, Task>
  queues: Record<string, string[]>
}

const task = z.object({
  id: z.string(),
  n: z.number(),
  tags: z.array(z.string()),
  sub: z.object({ v: z.number() }),
})

const boardSchema = z.object({
  todo: z.array(task),
  done: z.array(task),
  byName: z.record(z.string(), task),
  queues: z.record(z.string(), z.array(z.string())),
})

export const Boards = defineContext({
  name: 'boards',
  version: 1,
  state: boardSchema,
  initial: { todo: [], done: [], byName: {}, queues: {} },
  entries: {},
})

const NAMES = ['a', 'b', 'c', 'd', 'e']
const nat = fc.nat(0xffff)

const aTask = fc
  .record({ id: nat, n: fc.nat(9), tags: fc.array(fc.constantFrom('x', 'y', 'z'), { maxLength: 3 }), v: nat })
  .map(({ id, n, tags, v }): Task => ({ id: pick(NAMES, id), n, tags, sub: { v } }))

export const boards: fc.Arbitrary<Board> = fc.record({
  todo: fc.array(aTask, { maxLength: 5 }),
  done: fc.array(aTask, { maxLength: 3 }),
  byName: fc.dictionary(fc.constantFrom(...NAMES), aTask, { maxKeys: 4, noNullPrototype: true }),
  queues: fc.dictionary(
    fc.constantFrom(...NAMES),
    fc.array(fc.constantFrom('p', 'q', 'r'), { maxLength: 4 }),
    {
      maxKeys: 3,
      noNullPrototype: true,
    },
  ),
})

/** What picks where an act acts; `fresh` is used once in a recipe, so that what is written with it is always new. */
interface At {
  readonly list: 'todo' | 'done'
  readonly other: 'todo' | 'done'
  readonly name: string
  readonly second: string
  readonly i: number
  readonly fresh: number
}

/** Changes a board as recipes do, and returns what it saw of it, as JSON. */
type Doing = (board: Board, at: At) => unknown

const made = ({ name, fresh }: At): Task => ({ id: name, n: fresh, tags: [], sub: { v: fresh } })
const found = (board: Board, { list, name }: At): Task | undefined =>
  board[list].find(({ id }) => id === name)

/** What people write in recipes: each by a name, to be told by when it fails. */
const ACTS: Readonly<Record<string, Doing>> = {
  'find and splice'(board, at) {
    const item = found(board, at)
    if (item === undefined) return 'none'
    const index = board[at.list].indexOf(item)
    board[at.list].splice(index, 1)
    return [index, board[at.list].includes(item)]
  },
  'push, then filter'(board, at) {
    const item = found(board, at)
    if (item === undefined) return 'none'
    board[at.other].push(item)
    board[at.list] = board[at.list].filter(each => each !== item)
    return 'moved'
  },
  'move, then edit'(board, at) {
    const [item] = board[at.list].splice(at.i, 1)
    if (item === undefined) return 'none'
    board[at.other] = [...board[at.other], item]
    item.n = at.fresh
    board[at.other].at(-1)!.tags.push(`${at.fresh}`)
    return board[at.other].lastIndexOf(item) === board[at.other].length - 1
  },
  swap(board, { list, i }) {
    const items = board[list]
    if (items.length < 2) return 'too short'
    const [a, b] = [i % items.length, (i + 1) % items.length] as const
    ;[items[a], items[b]] = [items[b]!, items[a]!]
    return [items[a]!.id, items[a] === items.at(a)]
  },
  'sort by a number': (board, { list }) => board[list].sort((a, b) => a.n - b.n).at(0)?.id ?? 'none',
  'sort by a list of them'(board, { list }) {
    const order = [...board[list]].reverse()
    return board[list].sort((a, b) => order.indexOf(a) - order.indexOf(b)) === board[list]
  },
  reverse: (board, { list }) => board[list].reverse().findIndex(({ n }) => n > 4),
  shift: (board, { list }) => board[list].shift()?.id ?? 'none',
  pop: (board, { list }) => board[list].pop()?.n ?? 'none',
  'take of a queue': (board, { name }) => board.queues[name]?.shift() ?? 'none',
  push(board, at) {
    board[at.list].push(made(at))
  },
  'push to a queue that may be new'(board, { name, fresh }) {
    board.queues[name] ??= []
    board.queues[name].push(`${fresh}`)
  },
  'empty a queue'(board, { name }) {
    if (name in board.queues) board.queues[name]!.length = 0
  },
  'insert what is elsewhere'(board, at) {
    const item = board[at.other].at(at.i)
    if (item !== undefined) board[at.list].splice(at.i, 0, item)
    return board[at.list].concat(board[at.other]).lastIndexOf(item as Task)
  },
  'is it the first'(board, at) {
    const item = made(at)
    board[at.list].push(item)
    return board[at.list][0] === item
  },
  'is it the first of a queue'(board, { name, fresh }) {
    const queue = board.queues[name]
    queue?.push(`${fresh}`)
    return queue?.[0] ?? 'none'
  },
  'insert at the front'(board, at) {
    board[at.list].unshift(made(at))
  },
  'insert what is known at the front'(board, at) {
    const item = board.byName[at.name]
    if (item !== undefined) board[at.list].unshift(item)
    return item !== undefined && item === board[at.list][0]
  },
  'look behind what was inserted': (board, at) => {
    board[at.list].unshift(made(at))
    return board[at.list][1]?.sub.v ?? 'none'
  },
  'edit what is within'(board, at) {
    const item = board.byName[at.name]
    if (item === undefined) return 'none'
    item.sub.v = at.fresh
    item.tags.push(`${at.fresh}`)
    return 'edited'
  },
  'put one in two places'(board, at) {
    const item = board.byName[at.name]
    if (item === undefined) return 'none'
    board.byName[at.second] = item
    item.n = at.fresh
    return board.byName[at.second] === item
  },
  'put a copy elsewhere'(board, { name, second }) {
    const item = board.byName[name]
    if (item?.n === undefined) return 'none'
    board.byName = { ...board.byName, [second]: { ...item, sub: item.sub } }
    return item.n
  },
  'replace one by a map'(board, { list, name, fresh }) {
    board[list] = board[list].map(item => (item.id === name ? { ...item, n: fresh } : item))
  },
  'index by a name'(board, { list }) {
    board.byName = Object.fromEntries(board[list].map(item => [item.id, item]))
  },
  'assign many'(board, at) {
    Object.assign(board.byName, { [at.name]: made(at) })
  },
  'exchange two lists'(board) {
    Object.assign(board, { todo: board.done, done: board.todo })
  },
  'delete one'(board, { name }) {
    delete board.byName[name]
  },
  'delete those that'(board) {
    for (const [name, item] of Object.entries(board.byName)) if (item.n > 4) delete board.byName[name]
  },
  'is one there': (board, { name, second }) => [
    name in board.byName,
    Object.hasOwn(board.queues, name),
    board.byName[second] ? 1 : 0,
  ],
  'is it what is described there'(board, { name }) {
    const item = board.byName[name]
    return Object.getOwnPropertyDescriptor(board.byName, name)?.value === item
  },
  'names of all'(board) {
    const names = []
    for (const name in board.queues) names.push(name)
    return [names.sort(), Object.keys(board.byName).sort()]
  },
  'number them'(board, { list }) {
    for (const [index, item] of board[list].entries()) item.n = index
  },
  'add them up': (board, { list }) => board[list].reduce((sum, { sub }) => sum + sub.v, 0),
  'without what is there twice'(board) {
    const known = new Set(board.done)
    board.done = [...new Set([...board.done, ...board.todo.filter(item => !known.has(item))])]
  },
  'go on with what was put there'(board, at) {
    const kept = board[at.list].slice(at.i)
    board[at.list] = kept
    const item = board.byName[at.name]
    if (item?.n !== undefined) kept.push(item)
    return [board[at.list] === kept, board[at.list].length]
  },
  'copy within, fill'(board, at) {
    board[at.list].copyWithin(0, at.i)
    board[at.other].fill(made(at), at.i)
  },
  'as it is now'(board, at) {
    const item = found(board, at)
    const copies = [isDraft(item) && current(item), current(board).queues]
    return [item?.id ?? 'none', JSON.parse(JSON.stringify(copies))]
  },
}

export interface Act {
  readonly act: string
  readonly at: At
}

const steps = fc.record({ act: nat, list: nat, name: nat, second: nat, i: fc.nat(4) })

/** Recipes of a few acts. */
export const recipes: fc.Arbitrary<readonly Act[]> = fc
  .array(steps, { minLength: 1, maxLength: 6 })
  .map(plan =>
    plan.map(({ act, list, name, second, i }, index) => ({
      act: pick(Object.keys(ACTS), act),
      at: {
        list: list % 2 === 0 ? 'todo' : 'done',
        other: list % 2 === 0 ? 'done' : 'todo',
        name: pick(NAMES, name),
        second: pick(NAMES, second),
        i,
        fresh: 100 + index,
      },
    })),
  )

/** Runs a recipe on a board, and notes what it saw. */
export function run(recipe: readonly Act[], board: Board, seen: unknown[]): void {
  for (const { act, at } of recipe) seen.push(ACTS[act]!(board, at) ?? null)
}

/** What somebody else may write meanwhile. */
export const disturbances = fc.record({
  kind: nat,
  list: nat,
  name: nat,
  i: nat,
  v: fc.integer({ min: 1_000, max: 1_009 }),
})

export function disturb(board: Board, { kind, list, name, i, v }: Disturbance): void {
  const items = pick([board.todo, board.done], list)
  const tasks = [...items, ...NAMES.flatMap(each => board.byName[each] ?? [])]
  const item = tasks[i % Math.max(tasks.length, 1)]
  const at = { list: 'todo', other: 'done', name: pick(NAMES, name), second: '', i: 0, fresh: v } as const
  const kinds: readonly (() => unknown)[] = [
    () => item && Object.assign(item, { n: v }),
    () => item && Object.assign(item, { id: at.name }),
    () => item && Object.assign(item.sub, { v }),
    () => item && Object.assign(item, { sub: { v } }),
    () => item?.tags.push(`${v}`),
    () => items.splice(i % (items.length + 1), 1),
    () => items.splice(i % (items.length + 1), 0, made(at)),
    () => items.push(made(at)),
    () => Object.assign(board.byName, { [at.name]: made(at) }),
    () => delete board.byName[at.name],
    () => Object.assign(board.queues, { [at.name]: [] }),
    () => board.queues[at.name]?.shift(),
    () => board.queues[at.name]?.push(`${v}`),
    () => delete board.queues[at.name],
  ]
  pick(kinds, kind)()
}

type Disturbance = typeof disturbances extends fc.Arbitrary<infer Value> ? Value : never
