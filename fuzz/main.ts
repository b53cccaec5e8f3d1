import { parseArgs } from 'node:util'
import { reasonOf } from '@weft/core'
import { fuzzChanges } from './changes.js'
import { Harm, saveFailure } from './corpus.js'
import { fuzzFrames } from './frames.js'
import { fuzzBodies } from './bodies.js'
import { fuzzHistories } from './histories.js'
import { fuzzReplica } from './replica-frames.js'
import { fuzzUpdates } from './updates.js'
import { Watch } from './watch.js'

const HELP = `npm run fuzz -- [--frames N] [--changes N] [--seed N]

Malformed frames against a peer, and a tenth as many against a replica; hostile changes against a peer, and histories of hostile
shapes, each a fifth as long; as many Yjs updates against what a relay holds of a scratch, and a tenth as many HTTP requests
against a gateway.`

const USAGE = 2

/** @throws TypeError that says what is wrong with the arguments; undefined when help was asked for */
function readArguments(): { frames: number; changes: number; seed: number } | undefined {
  const { values } = parseArgs({
    options: {
      frames: { type: 'string', default: '200000' },
      changes: { type: 'string', default: '20000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  return {
    frames: count('--frames', values.frames, 1),
    changes: count('--changes', values.changes, 1),
    seed: count('--seed', values.seed, 0),
  }
}

function count(flag: string, text: string, least: number): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value
  throw new TypeError(`${flag} takes a whole number from ${least} on, and not ${JSON.stringify(text)}`)
}

async function fuzz({ frames, changes, seed }: NonNullable<ReturnType<typeof readArguments>>) {
  const watch = new Watch()
  console.log(`seed ${seed}`)
  const began = performance.now()
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(0)} s`
  const told = (report: object): void => console.log(JSON.stringify(report), seconds())
  try {
    told(await fuzzFrames(frames, seed, watch))
    told(await fuzzChanges(changes, seed, watch))
    told(await fuzzHistories(Math.ceil(changes / 5), seed, watch))
    told(await fuzzReplica(Math.ceil(frames / 10), seed))
    told(fuzzUpdates(changes, seed))
    told(await fuzzBodies(Math.ceil(changes / 10), seed))
    const { longest_ms, longestWall_ms, idleLongest_ms } = watch
    console.log(
      `the loop was busy for ${longest_ms.toFixed(0)} ms at most, and stood still for ${longestWall_ms.toFixed(0)} ms`,
    )
    console.log(`a thread that does nothing stood still for ${idleLongest_ms.toFixed(0)} ms`)
    console.log(`memory: ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`)
    return 0
  } catch (error) {
    if (!(error instanceof Harm)) throw error
    const path = saveFailure(`seed-${seed}`, { ...error.sample, what: error.message })
    console.error(`${error.message}\nsaved as ${path}; npm run fuzz -- --seed ${seed} does it again`)
    console.error(error.cause)
    return 1
  } finally {
    await watch.close()
  }
}

async function main(): Promise<number> {
  let asked: ReturnType<typeof readArguments>
  try {
    asked = readArguments()
  } catch (error) {
    console.error(`${reasonOf(error)}\n\n${HELP}`)
    return USAGE
  }
  if (asked !== undefined) return fuzz(asked)
  console.log(HELP)
  return 0
}

// Node ends a process whose loop has run empty although something is still awaited, and says nothing of that itself.
process.once('beforeExit', () => {
  console.error('ended too early: what is still awaited does not hold the process')
})
process.exit(await main())
