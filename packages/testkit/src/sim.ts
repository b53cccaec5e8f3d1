import { play, type PlayOptions, type PlayResult } from './random-play.js'
import { shrink } from './shrink.js'
import { commandOf, HELP, readArguments, type SimArguments } from './sim-arguments.js'

const EVERY_SEEDS = 50

/** @returns the exit code */
export async function main(args: readonly string[], print: (line: string) => void): Promise<number> {
  let asked: SimArguments | undefined
  try {
    asked = readArguments(args)
  } catch (error) {
    print(`${(error as Error).message}\n\n${HELP}`)
    return 2
  }
  if (asked === undefined) {
    print(HELP)
    return 0
  }
  return simulateAll(asked, print)
}

async function simulateAll(
  { play: first, seeds, twice, unshrunk }: SimArguments,
  print: (line: string) => void,
): Promise<number> {
  const began_ms = performance.now()
  const cpu = process.cpuUsage()
  let steps = 0
  for (let index = 0; index < seeds; index++) {
    const options = { ...first, seed: first.seed + index, ...(index > 0 && { skip: new Set<number>() }) }
    const result = await playOnce(options)
    steps += result.steps
    for (const line of result.trace) print(line)
    if (seeds === 1 || result.violations.length > 0) print(headline(result))
    if (result.violations.length > 0) {
      tellViolations(result, print)
      if (!unshrunk) await tellSmallest(options, result, print)
      return 1
    }
    if (twice && !(await isRepeated(options, result, print))) return 1
    if ((index + 1) % EVERY_SEEDS === 0 && index + 1 < seeds) print(`${index + 1} seeds, ${steps} steps`)
  }
  const { user, system } = process.cpuUsage(cpu)
  const rates = [
    `${Math.round((steps * 1000) / (performance.now() - began_ms))} steps/s`,
    `${Math.round((steps * 1e6) / (user + system))} per second of CPU`,
  ]
  print(
    `${seeds} seed(s), ${steps} steps, 0 violations; ${twice ? 'each hash twice the same' : rates.join(', ')}`,
  )
  return 0
}

/**
 * Most errors of a world are refusals that its faults bring about, and nobody reads where they were made: that takes a
 * thirtieth of the time. What fails is played again with it, and has failed whatever comes of that.
 */
async function playOnce(options: PlayOptions): Promise<PlayResult> {
  const result = await withoutStacks(() => play(options))
  if (result.violations.length === 0) return result
  const told = await play(options)
  return told.violations.length > 0 ? told : result
}

async function withoutStacks<T>(act: () => Promise<T>): Promise<T> {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return await act()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

async function isRepeated(
  options: PlayOptions,
  first: PlayResult,
  print: (line: string) => void,
): Promise<boolean> {
  const again = await play(options)
  if (again.hash === first.hash) return true
  print(`seed ${options.seed} is not deterministic: ${first.hash} and then ${again.hash}`)
  return false
}

function tellViolations({ violations }: PlayResult, print: (line: string) => void): void {
  for (const { law, message } of violations) print(`  [${law}] ${message}`)
}

async function tellSmallest(
  options: PlayOptions,
  result: PlayResult,
  print: (line: string) => void,
): Promise<void> {
  print('shrinking …')
  const { options: smallest, result: shrunk } = await shrink({ options, result }, play)
  print(`shrunk to ${smallest.steps} steps and ${shrunk.faults.length} fault(s):`)
  for (const { index, kind, at_ms } of shrunk.faults)
    print(`  fault ${index} at ${at_ms.toFixed(1)} ms: ${kind}`)
  tellViolations(shrunk, print)
  print(`replay: ${commandOf(smallest)}`)
}

function headline({ seed, steps, virtual_ms, hash, faults }: PlayResult): string {
  return `seed ${seed}: ${steps} steps in ${Math.round(virtual_ms)} ms of virtual time, ${faults.length} faults, trace ${hash}`
}
