import { type Context, connect, defineContext } from '@weft/replica'
import { z } from 'zod'
import { Dice, type Message, message } from '../dice.js'

const SEED = 20_250_104
const VALUES = 256
/** What a context holds before anything is measured: a step must not cost more the longer the context is. */
export const ENTRIES_BEFORE = 2_000
export const EDITS_BEFORE = 200
const KEYS = 50
const PLANNED = 50
const LOOKED_AT = 100
const REFS = ['ext:doc/17@v3']
const values = messages()

const state = z.object({
  keys: z.record(z.string(), z.number()),
  plan: z.array(z.object({ id: z.number(), todo: z.string() })),
})
type State = z.infer<typeof state>

const Bench = defineContext({
  name: 'bench',
  version: 1,
  state,
  initial: { keys: Object.fromEntries(Array.from({ length: KEYS }, (_, key) => [`key${key}`, 0])), plan: [] },
  entries: { message: z.object({ role: z.string(), content: z.string() }) },
})
type Handle = Context<State, (typeof Bench)['entries']>

/** What is written, by a step and without one. */
export interface Turn {
  readonly title: string
  readonly edits: 'nothing' | 'key' | 'list'
  /** Both also read; the step records that. */
  readonly reads: 'nothing' | 'keys' | 'entries'
  readonly hasBar?: true
}

export const TURNS: readonly Turn[] = [
  { title: 'one entry', edits: 'nothing', reads: 'nothing', hasBar: true },
  { title: 'one entry and a state edit', edits: 'key', reads: 'nothing', hasBar: true },
  { title: 'the same, having read three keys', edits: 'key', reads: 'keys', hasBar: true },
  { title: `one entry and a new last item of a list of ${PLANNED}`, edits: 'list', reads: 'nothing' },
  { title: 'one entry, having looked at the last 100', edits: 'nothing', reads: 'entries' },
]

/** A context with a past, on a replica that never finds a peer: what durability costs is not a step's. */
export async function onNewContext(measure: (handle: Handle) => number | Promise<number>): Promise<number> {
  const never = new Promise<string>(() => {})
  const replica = await connect({ url: 'ws://127.0.0.1', token: () => never, offline: true })
  const handle = await replica.open(Bench, { workflow: 'w', agent: 'agent', offline: true })
  const edit = editor('key')
  for (let i = 0; i < ENTRIES_BEFORE; i++) {
    handle.append('message', values[i % VALUES]!)
    if (i % (ENTRIES_BEFORE / EDITS_BEFORE) === 0) handle.change(edit)
  }
  const us = await measure(handle)
  await replica.close({ discard: true })
  return us
}

/** Microseconds of CPU per turn, written without a step. */
export function writes(handle: Handle, turn: Turn, count: number): number {
  const edit = editor(turn.edits)
  const started = process.cpuUsage()
  for (let i = 0; i < count; i++) {
    read(handle, turn.reads)
    handle.write(draft => {
      draft.append('message', values[i % VALUES]!, { dependsOn: REFS })
      if (turn.edits !== 'nothing') draft.change(edit)
    })
  }
  return perTurn(started, count)
}

/** Microseconds of CPU per turn, as steps one after the other: the next begins when the change of the last is in the set. */
export async function steps(handle: Handle, turn: Turn, count: number): Promise<number> {
  const edit = editor(turn.edits)
  let written = (): void => {}
  const stop = handle.onChange(() => written())
  const started = process.cpuUsage()
  for (let i = 0; i < count; i++) {
    const isWritten = new Promise<void>(resolve => {
      written = resolve
    })
    const step = handle.step('turn', step => {
      read(step, turn.reads)
      step.append('message', values[i % VALUES]!, { dependsOn: REFS })
      if (turn.edits !== 'nothing') step.change(edit)
    })
    // It is refused at once, or ends when the replica is closed: there is no peer to make it durable.
    step.catch(() => {})
    await Promise.race([isWritten, step])
  }
  const us = perTurn(started, count)
  stop()
  return us
}

function read(from: Pick<Handle, 'state' | 'entries'>, what: Turn['reads']): void {
  let sum = 0
  if (what === 'keys') sum = from.state.keys.key1! + from.state.keys.key2! + from.state.keys.key3!
  if (what === 'entries')
    for (const { value } of from.entries().slice(-LOOKED_AT)) sum += value.content.length
  if (Number.isNaN(sum)) throw new Error('what was read is not what was written')
}

function messages(): readonly Message[] {
  const dice = new Dice(SEED)
  return Array.from({ length: VALUES }, () => message(dice))
}

/** Sets one key after another to what it has not been; or adds to a list, which keeps its last items. */
function editor(edits: Turn['edits']): (state: State) => void {
  const dice = new Dice(SEED)
  let added = 0
  return ({ keys, plan }) => {
    if (edits === 'list') {
      if (plan.length === PLANNED) plan.shift()
      plan.push({ id: added, todo: `look at ${added++}` })
    } else keys[`key${dice.below(KEYS)}`] = dice.below(2 ** 30)
  }
}

function perTurn(started: NodeJS.CpuUsage, count: number): number {
  const { user, system } = process.cpuUsage(started)
  return (user + system) / count
}
