import { type Context, connect, defineContext } from '@weft/replica'
import { z } from 'zod'
import { Dice, type Message, message } from '../dice.js'

const SEED = 20_250_104
const VALUES = 256
/** What a context holds before anything is measured: a step must not cost more the longer the context is. */
export const ENTRIES_BEFORE = 2_000
export const EDITS_BEFORE = 200
const KEYS = 50
const LOOKED_AT = 100
const REFS = ['ext:doc/17@v3']
const values = messages()

const Bench = defineContext({
  name: 'bench',
  version: 1,
  state: z.record(z.string(), z.number()),
  initial: Object.fromEntries(Array.from({ length: KEYS }, (_, key) => [`key${key}`, 0])),
  entries: { message: z.object({ role: z.string(), content: z.string() }) },
})
type Handle = Context<Record<string, number>, (typeof Bench)['entries']>

/** What is written, by a step and without one. */
export interface Turn {
  readonly title: string
  readonly edits: boolean
  /** Both also read; the step records that. */
  readonly reads: 'nothing' | 'keys' | 'entries'
}

export const TURNS: readonly Turn[] = [
  { title: 'one entry', edits: false, reads: 'nothing' },
  { title: 'one entry and a state edit', edits: true, reads: 'nothing' },
  { title: 'the same, having read three keys', edits: true, reads: 'keys' },
  { title: 'one entry, having looked at the last 100', edits: false, reads: 'entries' },
]

/** A context with a past, on a replica that never finds a peer: what durability costs is not a step's. */
export async function onNewContext(measure: (handle: Handle) => number | Promise<number>): Promise<number> {
  const never = new Promise<string>(() => {})
  const replica = await connect({ url: 'ws://127.0.0.1', token: () => never, offline: true })
  const handle = await replica.open(Bench, { workflow: 'w', agent: 'agent', offline: true })
  const edit = editor()
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
  const edit = editor()
  const started = process.cpuUsage()
  for (let i = 0; i < count; i++) {
    read(handle, turn.reads)
    handle.write(draft => {
      draft.append('message', values[i % VALUES]!, { dependsOn: REFS })
      if (turn.edits) draft.change(edit)
    })
  }
  return perTurn(started, count)
}

/** Microseconds of CPU per turn, as steps one after the other: the next begins when the change of the last is in the set. */
export async function steps(handle: Handle, turn: Turn, count: number): Promise<number> {
  const edit = editor()
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
      if (turn.edits) step.change(edit)
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
  if (what === 'keys') sum = from.state.key1! + from.state.key2! + from.state.key3!
  if (what === 'entries')
    for (const { value } of from.entries().slice(-LOOKED_AT)) sum += value.content.length
  if (Number.isNaN(sum)) throw new Error('what was read is not what was written')
}

function messages(): readonly Message[] {
  const dice = new Dice(SEED)
  return Array.from({ length: VALUES }, () => message(dice))
}

/** Sets one key after another to what it has not been. */
function editor(): (state: Record<string, number>) => void {
  const dice = new Dice(SEED)
  return state => {
    state[`key${dice.below(KEYS)}`] = dice.below(2 ** 30)
  }
}

function perTurn(started: NodeJS.CpuUsage, count: number): number {
  const { user, system } = process.cpuUsage(started)
  return (user + system) / count
}
