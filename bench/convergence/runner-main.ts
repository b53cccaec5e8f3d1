import { timed } from '../measure.js'
import { branchAfterBranch, type Contender, inTurn } from './contender.js'
import type { Taken } from './runner.js'
import { CHANGES, type Workload, workload } from './workload.js'

/** Only one of them is loaded here. */
const CONTENDERS: Readonly<Record<string, () => Promise<Contender>>> = {
  Yjs: async () => (await import('./yjs.js')).yjs,
  Automerge: async () => (await import('./automerge.js')).automerge,
  Weft: async () => (await import('./weft.js')).weft,
}

function round(contender: Contender, work: Workload, states: readonly Uint8Array[]): Taken {
  const writers = contender.prepare(work)
  const appending = timed(() => writers.append())
  const sorted = branchAfterBranch(writers)
  const messages = inTurn(writers)
  writers.free()
  const mergingSorted = timed(() => contender.merge(sorted))
  const merging = timed(() => contender.merge(messages))
  const reading = timed(() => merging.made.readState())
  const saving = timed(() => merging.made.save())
  const loading = timed(() => contender.load(saving.made))
  if (merging.made.length !== CHANGES || loading.made.length !== CHANGES) {
    throw new Error(
      `${contender.name} lost entries: ${merging.made.length} merged, ${loading.made.length} loaded`,
    )
  }
  return {
    append: (appending.ms * 1_000) / CHANGES,
    mergeSorted: mergingSorted.ms,
    merge: merging.ms,
    mergeCpu: merging.cpu_ms,
    mergeAndRead: merging.ms + reading.ms,
    ...(states.length > 0 && { mergeStates: timed(() => contender.merge(states)).ms }),
    encode: saving.ms,
    size: saving.made.length / 1_024,
    load: loading.ms,
  }
}

const [name = '', withState] = process.argv.slice(2)
const contender = await CONTENDERS[name]!()
const work = workload(withState === 'true')
const states = contender.states?.(work) ?? []
process.on('message', () => process.send!(round(contender, work, states)))
