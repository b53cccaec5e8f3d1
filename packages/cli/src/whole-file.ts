import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { reasonOf } from '@weft/core'
import { usage } from './failure.js'

/** Writes a file, fsynced; nobody sees half of it under its name. @throws WEFT_USAGE */
export async function writeWhole(path: string, lines: Iterable<string>): Promise<void> {
  const part = `${path}.part`
  try {
    await pipeline(Readable.from(lines), createWriteStream(part, { flush: true }))
    await rename(part, path)
  } catch (error) {
    await rm(part, { force: true })
    throw usage(
      `${path} cannot be written: ${reasonOf(error)}`,
      'check the path, its rights and the space on the disk',
    )
  }
}
