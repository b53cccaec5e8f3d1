import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { lstat, mkdir, mkdtemp, readdir, readlink, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isWeftError, reasonOf } from '@weft/core'
import { syncDirectory } from '@weft/store-level'
import { usage } from '../base/failure.js'
import type { Cli } from './cli.js'

/*
 * What is made here has its name when it is whole and on disk, and lies beside that before, under a name that nobody else
 * has: of two who make the same, one comes last, and neither takes the other's away.
 */

const ASIDE = '.part-'

/**
 * Makes a directory.
 * @param make makes it where it is told to, whole and fsynced
 * @param isKept whether it is to have its name then; else nothing of it stays
 * @throws WEFT_USAGE when there is something in its place, or nothing can be made there · what `make` throws
 */
export async function makeDirectoryAside<T>(
  directory: string,
  isKept: boolean,
  make: (inner: string) => Promise<T>,
): Promise<T> {
  await checkFree(directory)
  const aside = await makeAside(directory)
  try {
    // Inside of it, with the rights that a new directory has here.
    const inner = join(aside, basename(directory))
    const made = await make(inner)
    if (!isKept) return made
    // Whoever was faster is not written over.
    await checkFree(directory)
    await rename(inner, directory)
    await syncDirectory(dirname(directory))
    return made
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

/** That nothing has this name, not even a link to nowhere. @throws WEFT_USAGE */
export async function checkFree(path: string): Promise<void> {
  if (await lstat(path).catch(() => undefined))
    throw usage(`${path} is there already`, 'name a directory that is not there yet')
}

/** That a directory that is to be made does not lie in a store. @throws WEFT_USAGE */
export async function checkApart(directory: string, data: string): Promise<void> {
  const above = await realpath(dirname(directory)).catch(() => dirname(directory))
  const within = `${await realpath(data)}${sep}`
  if (`${join(above, basename(directory))}${sep}`.startsWith(within))
    throw usage(`${directory} lies in ${data}, which holds a store`, 'name a directory outside of it')
}

/** Says what others are making under this name now, or have left when they were cut short. */
export async function noteLeft({ output }: Cli, directory: string): Promise<void> {
  const beside = await readdir(dirname(directory)).catch(() => [])
  const left = beside.filter(name => name.startsWith(`${basename(directory)}${ASIDE}`))
  for (const name of left)
    output.note(
      `${join(dirname(directory), name)} is left of one that was cut short, unless one runs: remove it`,
    )
}

async function makeAside(directory: string): Promise<string> {
  try {
    await mkdir(dirname(directory), { recursive: true })
    return await mkdtemp(`${directory}${ASIDE}`)
  } catch (error) {
    throw usage(`${directory} cannot be made: ${reasonOf(error)}`, 'check the path and its rights')
  }
}

/**
 * Writes a file, fsynced. Through a link its target is written; what is no file (a pipe, a device) is written to as it is.
 * @throws WEFT_USAGE
 */
export async function writeWhole(path: string, lines: Iterable<string>): Promise<void> {
  try {
    const there = await stat(path).catch(() => undefined)
    if (there === undefined || there.isFile()) await replaceFile(await targetOf(path), lines, there?.mode)
    else await pipeline(Readable.from(lines), createWriteStream(path))
  } catch (error) {
    throw isWeftError(error)
      ? error
      : usage(
          `${path} cannot be written: ${reasonOf(error)}`,
          'check the path, its rights and the space on the disk',
        )
  }
}

async function replaceFile(path: string, lines: Iterable<string>, mode = 0o666): Promise<void> {
  const aside = `${path}${ASIDE}${randomBytes(6).toString('hex')}`
  try {
    await pipeline(Readable.from(lines), createWriteStream(aside, { flags: 'wx', mode, flush: true }))
    await rename(aside, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(aside, { force: true })
    throw error
  }
}

/** Where a link leads, and be there nothing yet. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    const next = await readlink(path).catch(() => undefined)
    return next === undefined ? path : resolve(dirname(path), next)
  }
}
