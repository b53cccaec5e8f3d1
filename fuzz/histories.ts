import { BranchWriter, type Change, ChangeSet, decodeChange, type LogRecord } from '@weft/core'
import { offer } from './changes.js'
import { Dice, sha256 } from './dice.js'
import { Honest, nextOf } from './honest.js'
import type { Line } from './line.js'
import { type ConditionalOffer, type History, SHAPES } from './shapes.js'
import { Target } from './target.js'
import { STALL_MS_MAX, type Watch } from './watch.js'

const TENANT = 'acme'
const FRAME_BYTES = 65_536
/** What stalls for other reasons does not do so each time. */
const RUNS_MAX = 3

export interface HistoryReport {
  readonly histories: number
  readonly changes: number
  /** Of the peer, and of a replica that takes the log in one by one. */
  readonly stall_ms: number
  readonly replicaStall_ms: number
}

/** Long histories of hostile shapes: each is taken, keeps nobody waiting, and leaves others able to write. */
export async function fuzzHistories(size: number, seed: number, watch: Watch): Promise<HistoryReport> {
  const dice = new Dice(seed)
  const target = await Target.start(dice)
  const report = { histories: 0, changes: 0, stall_ms: 0, replicaStall_ms: 0 }
  for (const [name, make] of Object.entries(SHAPES)) {
    const history = make(size, dice)
    let least = Number.POSITIVE_INFINITY
    for (let run = 0; run < RUNS_MAX && least > STALL_MS_MAX; run++) {
      const workflow = `w${report.histories}.${run}`
      least = Math.min(least, await offerAll(target, workflow, history, watch))
      const log = await target.log(TENANT, workflow)
      report.replicaStall_ms = Math.max(report.replicaStall_ms, await goOn(target, workflow, log, dice))
      report.changes += log.length
    }
    if (least > STALL_MS_MAX)
      throw new Error(
        `${name}: the peer was busy for ${least.toFixed(0)} ms at once, each of ${RUNS_MAX} times`,
      )
    report.histories++
    report.stall_ms = Math.max(report.stall_ms, least)
  }
  const { deaths } = target
  await target.close()
  if (deaths.length > 0) throw new Error(`something died: ${deaths.join('; ')}`)
  return report
}

/** @returns the longest that the peer's loop was busy at once, in ms */
async function offerAll(
  target: Target,
  workflow: string,
  { changes, offers = [] }: History,
  watch: Watch,
): Promise<number> {
  const line = await target.following(TENANT, workflow)
  let longest = 0
  for (const frame of framesOf(changes)) {
    const { stall_ms } = await watch.during(() => offer(line, frame))
    longest = Math.max(longest, stall_ms)
  }
  for (const each of offers) {
    const { stall_ms } = await watch.during(() => propose(line, each))
    longest = Math.max(longest, stall_ms)
  }
  line.hangUp()
  return longest
}

/** As a replica makes them. */
function* framesOf(changes: readonly Change[]): Generator<Uint8Array[]> {
  let frame: Uint8Array[] = []
  let length = 0
  for (const { bytes } of changes) {
    if (frame.length > 0 && length + bytes.length > FRAME_BYTES) {
      yield frame
      frame = []
      length = 0
    }
    frame.push(bytes)
    length += bytes.length
  }
  if (frame.length > 0) yield frame
}

async function propose(line: Line, { change, unmoved }: ConditionalOffer): Promise<void> {
  line.say({
    name: 'propose',
    channel: 1,
    change: change.bytes,
    branches: [],
    heads: [],
    unmoved: [...unmoved],
  })
  await nextOf(line, ['log', 'ack', 'refuse', 'fail'])
}

/**
 * Somebody who has the whole log writes on, and is acknowledged.
 * @returns the longest that one change of the log took, in ms
 */
async function goOn(
  target: Target,
  workflow: string,
  log: readonly LogRecord[],
  dice: Dice,
): Promise<number> {
  const set = new ChangeSet(sha256)
  let longest = 0
  for (const { bytes } of log) {
    const change: Change = decodeChange(bytes.slice(), sha256)
    const began = performance.now()
    set.add(change)
    longest = Math.max(longest, performance.now() - began)
  }
  const line = await target.following(TENANT, workflow)
  const writer = new BranchWriter(set, dice.host(), 'main', 'honest')
  const change = writer.write({ entries: [{ kind: 'message', value: 'still here' }] })!
  await new Honest(line, dice).push([change])
  line.hangUp()
  return longest
}
