import { BranchWriter, type Change, ChangeSet, decodeChange } from '@weft/core'
import { makeChange } from './change-maker.js'
import { Harm } from './corpus.js'
import { Dice, sha256 } from './dice.js'
import { Honest, hex, nextOf, split } from './honest.js'
import { judgeLog } from './judge.js'
import type { Line } from './line.js'
import { Target } from './target.js'
import { STALL_MS_MAX, type Watch } from './watch.js'

const TENANT = 'acme'
/** Offered in one context, and at a time. */
const PER_ROUND = 200
const PER_FRAME = 16

export interface ChangeReport {
  readonly changes: number
  readonly taken: number
  /** Refusals by their codes. */
  readonly refused: Readonly<Record<string, number>>
  readonly deaths: number
  readonly stall_ms: number
}

/** Hostile changes, in one context after the other, in which an honest worker goes on. */
export async function fuzzChanges(count: number, seed: number, watch: Watch): Promise<ChangeReport> {
  const dice = new Dice(seed)
  const target = await Target.start(dice)
  const refused: Record<string, number> = {}
  let taken = 0
  let stall_ms = 0
  for (let done = 0, round = 0; done < count; round++) {
    const changes = Math.min(PER_ROUND, count - done)
    const told = await fuzzContext(target, `w${round}`, changes, dice, watch)
    done += changes
    taken += told.taken
    stall_ms = Math.max(stall_ms, told.stall_ms)
    for (const code of told.refused) refused[code] = (refused[code] ?? 0) + 1
  }
  const deaths = target.deaths.length
  await target.close()
  return { changes: count, taken, refused, deaths, stall_ms }
}

async function fuzzContext(target: Target, workflow: string, count: number, dice: Dice, watch: Watch) {
  const line = await target.following(TENANT, workflow)
  const honest = new Honest(line, dice)
  const written = Array.from({ length: 5 }, () => honest.write())
  await honest.push(written)
  const models = modelsOn(written, dice)
  const told = { taken: 0, refused: [] as string[], stall_ms: 0 }
  for (let done = 0; done < count; done += PER_FRAME) {
    const offered = Array.from({ length: Math.min(PER_FRAME, count - done) }, () =>
      makeChange(dice, dice.pick(models), written.slice(0, 5)),
    )
    const sample = {
      kind: 'changes' as const,
      log: written.map(({ bytes }) => hex(bytes)),
      inputs: offered.map(hex),
    }
    try {
      const eve = await target.following(TENANT, workflow)
      const fired = await watch.during(() => offer(eve, offered))
      eve.hangUp()
      told.taken += fired.value.taken
      told.refused.push(...fired.value.refused)
      if (fired.stall_ms > STALL_MS_MAX) {
        const again_ms = await repeated(target, workflow, written, offered, watch)
        told.stall_ms = Math.max(told.stall_ms, again_ms)
        if (again_ms > STALL_MS_MAX) throw new Error(`it stalls the peer for ${again_ms} ms`)
      }
      written.push(honest.write())
      await honest.push(written.slice(-1))
    } catch (error) {
      throw new Harm(`changes in ${workflow} from ${done}: ${String(error)}`, sample, error)
    }
  }
  const log = await target.log(TENANT, workflow)
  try {
    judgeLog(log, written, dice)
  } catch (error) {
    const inputs = log.map(({ bytes }) => hex(bytes))
    throw new Harm(`the log of ${workflow}: ${String(error)}`, { kind: 'changes', log: [], inputs }, error)
  }
  honest.free()
  line.hangUp()
  return told
}

/** Sound changes of state and entries on top of these, which nobody has. */
function modelsOn(known: readonly Change[], dice: Dice): Change[] {
  const set = new ChangeSet(sha256)
  for (const change of known) set.add(change)
  const entries = [{ kind: 'message', value: 'hostile' }]
  return [
    { hostile: 1 },
    { list: [], hostile: [{ a: { b: 1 } }, 2, [3]] },
    { k0: { deep: { er: [1, 2, { x: null }] } }, k1: 'other' },
  ].map(edit => {
    const writer = new BranchWriter(
      set,
      dice.host(),
      'main',
      'eve',
      known.at(-1) && [set.dag.node(known.at(-1)!.id)],
    )
    const change = writer.seal({ state: { ...writer.state.read(), ...edit }, entries })!
    writer.state.free()
    return change
  })
}

/** Offers changes, and waits until each has its answer. @throws when one has none */
export async function offer(line: Line, offered: readonly Uint8Array[]) {
  const waiting = new Map<string, number>()
  for (const bytes of offered) {
    const id = idOf(bytes)
    waiting.set(id, (waiting.get(id) ?? 0) + 1)
  }
  const refused: string[] = []
  let taken = 0
  line.say({ name: 'push', channel: 1, changes: offered })
  while (waiting.size > 0) {
    const answer = await nextOf(line, ['log', 'ack', 'refuse', 'fail'])
    if (answer.name === 'fail') throw new Error(`the peer gave up: ${answer.code} ${answer.message}`)
    if (answer.name === 'refuse') {
      refused.push(answer.code)
      answered(waiting, hex(answer.id), 1)
      continue
    }
    if (answer.name === 'log') {
      const position = answer.from + answer.items.length - 1
      line.say({ name: 'seen', channel: 1, position })
    }
    const ids = answer.name === 'ack' ? split(answer.ids) : answer.items.filter(i => i.length === 32).map(hex)
    for (const id of ids) if (answered(waiting, id, Number.POSITIVE_INFINITY)) taken++
  }
  return { taken, refused }
}

function answered(waiting: Map<string, number>, id: string, count: number): boolean {
  const left = (waiting.get(id) ?? 0) - count
  if (!waiting.has(id)) return false
  if (left > 0) waiting.set(id, left)
  else waiting.delete(id)
  return true
}

/** Empty for what cannot be read, as in the answer to it. */
function idOf(bytes: Uint8Array): string {
  try {
    return decodeChange(bytes.slice(), sha256).id
  } catch {
    return ''
  }
}

/** What stalls for other reasons does not do so each time: the least of three runs. */
async function repeated(
  target: Target,
  workflow: string,
  known: readonly Change[],
  offered: readonly Uint8Array[],
  watch: Watch,
) {
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < 3; run++) {
    const line = await target.following(TENANT, `${workflow}.again.${run}`)
    await offer(
      line,
      known.map(({ bytes }) => bytes),
    )
    const { stall_ms } = await watch.during(() => offer(line, offered))
    line.hangUp()
    least = Math.min(least, stall_ms)
  }
  return least
}
