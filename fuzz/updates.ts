import { isWeftError } from '@weft/core'
import { UpdateLog } from '@weft/scratch'
import * as Y from 'yjs'
import { Harm } from './corpus.js'
import { Dice } from './dice.js'
import { hex } from './honest.js'
import { mutated } from './mutate.js'
import { STALL_MS_MAX } from './watch.js'

const PER_ROOM = 200
const CLIENTS_MAX = 64

export interface UpdateReport {
  readonly updates: number
  readonly taken: number
  readonly longest_ms: number
}

/** Yjs updates near to sound ones, at what a relay of scratches holds of a room. */
export function fuzzUpdates(count: number, seed: number): UpdateReport {
  const dice = new Dice(seed)
  let taken = 0
  let longest_ms = 0
  for (let done = 0; done < count; done += PER_ROOM) {
    const sound = soundUpdates(dice)
    const updates = Array.from({ length: Math.min(PER_ROOM, count - done) }, () =>
      dice.chance(4) ? dice.pick(sound) : mutated(dice.pick(sound), dice),
    )
    try {
      const told = fireUpdates(updates)
      taken += told.taken
      longest_ms = Math.max(longest_ms, told.longest_ms)
    } catch (error) {
      const sample = { kind: 'updates' as const, log: [], inputs: updates.map(hex) }
      throw new Harm(`updates from ${done}: ${String(error)}`, sample, error)
    }
  }
  return { updates: count, taken, longest_ms }
}

/** @throws when one does what it must not: throws without a code, takes too long, or spoils the document of the others */
export function fireUpdates(updates: readonly Uint8Array[]): { taken: number; longest_ms: number } {
  const log = new UpdateLog(CLIENTS_MAX)
  let taken = 0
  let longest_ms = 0
  for (const update of updates) {
    longest_ms = Math.max(
      longest_ms,
      leastOfThree(() => admitted(log, update)),
    )
    const admission = admitted(log, update)
    if (admission === undefined) continue
    log.append(admission)
    taken++
  }
  if (longest_ms > STALL_MS_MAX) throw new Error(`an update takes ${longest_ms} ms`)
  if (taken === 0) return { taken, longest_ms }
  const doc = new Y.Doc()
  Y.applyUpdate(doc, log.since(Uint8Array.of(0)))
  if (doc.store.pendingStructs !== null)
    throw new Error('what the relay hands out cannot be integrated wholly')
  doc.destroy()
  return { taken, longest_ms }
}

function admitted(log: UpdateLog, update: Uint8Array) {
  try {
    return log.admit(update)
  } catch (error) {
    if (isWeftError(error)) return undefined
    throw error
  }
}

/** What takes long for other reasons does not do so each time. */
function leastOfThree(act: () => unknown): number {
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < 3 && least > STALL_MS_MAX; run++) {
    const began = performance.now()
    act()
    least = Math.min(least, performance.now() - began)
  }
  return least
}

function soundUpdates(dice: Dice): Uint8Array[] {
  const updates: Uint8Array[] = []
  const doc = new Y.Doc()
  doc.clientID = 1 + dice.roll(1_000)
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (let i = 0; i < 12; i++) {
    const text = doc.getText('draft')
    if (text.length > 4 && dice.chance(3)) text.delete(dice.roll(text.length - 2), 2)
    else text.insert(dice.roll(text.length + 1), 'token ')
    if (dice.chance(4)) doc.getMap('plan').set(`k${dice.roll(3)}`, dice.roll(9))
    if (dice.chance(6)) doc.clientID = 1 + dice.roll(1_000)
  }
  updates.push(Y.encodeStateAsUpdate(doc))
  doc.destroy()
  return updates
}
