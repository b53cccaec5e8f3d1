import { Harm } from './corpus.js'
import { Dice } from './dice.js'
import { makeFrame } from './frame-maker.js'
import { Honest, hex } from './honest.js'
import { judgeLog } from './judge.js'
import { type Line, turns } from './line.js'
import { Target } from './target.js'
import { STALL_MS_MAX, type Watch } from './watch.js'

const TENANT = 'acme'
const BATCH = 50
/** Frames between two writes of the honest worker. */
const HONEST_EVERY = 2_000

export interface FrameReport {
  readonly frames: number
  /** Connections that the peer ended. */
  readonly ended: number
  readonly honest: number
  readonly stall_ms: number
}

/** Malformed frames, from strangers and from who has a token, against a peer that goes on serving. */
export async function fuzzFrames(count: number, seed: number, watch: Watch): Promise<FrameReport> {
  const dice = new Dice(seed)
  const target = await Target.start(dice)
  const honest = new Honest(await target.following(TENANT, 'w'), dice)
  const written = Array.from({ length: 4 }, () => honest.write())
  await honest.push(written)
  const pool = written.map(({ bytes }) => bytes)
  let ended = 0
  let stall_ms = 0
  for (let done = 0; done < count; done += BATCH) {
    const frames = Array.from({ length: Math.min(BATCH, count - done) }, () => makeFrame(dice, pool))
    const fired = await watch
      .during(() => fire(target, frames))
      .catch(error => {
        throw new Harm(`frames ${done}…: ${String(error)}`, sampleOf(frames), error)
      })
    ended += fired.value
    if (fired.stall_ms > STALL_MS_MAX) stall_ms = Math.max(stall_ms, await repeated(frames, watch))
    if (stall_ms > STALL_MS_MAX)
      throw new Harm(`frames ${done}… stall the peer for ${stall_ms} ms`, sampleOf(frames))
    if (done % HONEST_EVERY === 0) {
      written.push(honest.write())
      await honest.push(written.slice(-1))
    }
  }
  // Nearly every one of these frames ends its connection: where none does, nobody has looked at them.
  if (ended === 0) throw new Error(`no connection was ended over ${count} frames`)
  judgeLog(await target.log(TENANT, 'w'), written, dice)
  honest.free()
  await target.close()
  return { frames: count, ended, honest: written.length, stall_ms }
}

function sampleOf(frames: readonly Uint8Array[]) {
  return { kind: 'frames' as const, log: [], inputs: frames.map(hex) }
}

/** @returns how many connections the peer ended over it */
export async function fire(target: Target, frames: readonly Uint8Array[]): Promise<number> {
  let ended = 0
  let line: Line | undefined
  for (const [index, frame] of frames.entries()) {
    // Every eighth comes from somebody who has shown no token.
    const isStranger = index % 8 === 0
    if (isStranger) line?.hangUp()
    if (isStranger || !line?.isOpen) line = isStranger ? target.line() : await target.following(TENANT, 'w')
    line.give(frame)
    await turns(1)
    if (line.closedWith !== undefined) ended++
    if (isStranger) line.hangUp()
  }
  line?.hangUp()
  await turns(2)
  return ended
}

/** What stalls for other reasons does not do so each time: the least of three runs. */
async function repeated(frames: readonly Uint8Array[], watch: Watch): Promise<number> {
  const target = await Target.start(new Dice(1))
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < 3; run++) {
    const { stall_ms } = await watch.during(() => fire(target, frames))
    least = Math.min(least, stall_ms)
  }
  await target.close()
  return least
}
