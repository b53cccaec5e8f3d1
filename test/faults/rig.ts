import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { weftHere } from '../support/cli-run.ts'
import { type Dice, seededDice } from '../support/core-property.ts'
import { type ServeOptions, ServeProcess } from '../support/peer-process.ts'
import { Disk, type PowerCut } from './disk.ts'
import type { FileSystem } from './fault-folder.ts'
import { type Bound, lostOf, readThrough } from './judge.ts'
import { Load } from './load.ts'

/** A disk with a peer on it, whom writers write to. */
export interface Rig {
  readonly disk: Disk
  readonly serve: ServeProcess
  readonly load: Load
  readonly dice: Dice
}

export interface RigOptions extends Pick<ServeOptions, 'nodeArgs' | 'env'> {
  readonly fileSystem?: FileSystem
  readonly size_mib?: number
  readonly seed: number
}

/** Makes all of it, has it played with, and takes it away. */
export async function withRig<T>(options: RigOptions, play: (rig: Rig) => Promise<T>): Promise<T> {
  const { fileSystem = 'ext4', size_mib, seed, ...process } = options
  const dice = seededDice(seed)
  const disk = await Disk.make(fileSystem, size_mib)
  try {
    const serve = await ServeProcess.start({ ...process, folder: disk.volume })
    try {
      const load = await Load.start(serve, dice)
      return await play({ disk, serve, load, dice }).finally(() => load.close())
    } finally {
      await serve.end('SIGKILL')
    }
  } finally {
    disk.release()
  }
}

export const SHOWN_MAX = 20

/** Says at once what is wrong, for a run is long. */
export function told(where: string, faults: readonly string[]): readonly string[] {
  for (const fault of faults.slice(0, SHOWN_MAX)) console.error(`FAULT ${where}: ${fault}`)
  if (faults.length > SHOWN_MAX) console.error(`FAULT ${where}: and ${faults.length - SHOWN_MAX} more`)
  return faults
}

export interface Cut {
  readonly power: PowerCut
  /** What had been acknowledged before. */
  readonly mark: readonly number[]
}

/** What is acknowledged while the disk is copied binds nobody: it may be of before that instant or after it. */
export async function cutNow({ disk, load }: Rig): Promise<Cut> {
  const mark = load.mark()
  return { mark, power: await disk.cut() }
}

/** Fills a disk, until it is removed. */
export const BALLAST = 'ballast'

/** Checks every byte of what a cut left, then serves it, and reads it as a worker does. @returns what is wrong */
export async function judge(power: PowerCut, bound: readonly Bound[]): Promise<string[]> {
  const folder = await power.mount()
  try {
    await rm(join(folder, BALLAST), { force: true })
    const unverified = await verify(join(folder, 'data'))
    const serve = await ServeProcess.start({ folder, verify: 'none' })
    const lost = lostOf(bound, await readThrough(serve, bound))
    return [...unverified, ...lost, ...(await end(serve))]
  } catch (error) {
    return [String(error)]
  }
}

/**
 * The end of a run: what everybody wrote is there, once, as it was acknowledged, and has come to everybody; the store is whole.
 * @param bound what has to be where it was acknowledged @returns what is wrong
 */
export async function judgeEnd({ serve, load }: Rig, bound: () => readonly Bound[]): Promise<string[]> {
  const counts = await load.settle()
  const found = await readThrough(serve, bound())
  const faults = lostOf(bound(), found)
  for (const [key, places] of found) {
    const positions = new Set([...places.values()].map(({ position }) => position))
    const count = counts.get(key)
    if (places.size !== count || positions.size !== count) {
      faults.push(
        `${key} holds ${places.size} changes at ${positions.size} positions, and ${count} were written`,
      )
    }
  }
  faults.push(...load.refused.map(reason => `a change was refused: ${reason}`))
  return [...faults, ...(await end(serve)), ...(await verify(serve.data))]
}

async function end(serve: ServeProcess): Promise<string[]> {
  const code = await serve.end('SIGTERM')
  return code === 0 ? [] : [`weft serve ended with ${code}`]
}

async function verify(data: string): Promise<string[]> {
  const { code, stdout, stderr } = await weftHere(['verify', '--data', data])
  return code === 0 ? [] : [`weft verify ended with ${code}: ${stdout}${stderr}`]
}
