import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type BackedUp, type BackupManifest, type LeftOut, MANIFEST, sealManifest } from './backup-format.js'
import type { Sourced } from './backup-source.js'
import { exportHeader, exportLines } from './export-format.js'
import { readExport } from './export-reader.js'
import { usage } from './failure.js'
import { copyOfLog } from './logs.js'
import { writeWhole } from './whole-file.js'

/**
 * Writes a backup. Each context is read back from its file and checked; the directory has its name only when all of it is
 * on disk, and ends with `.part` before.
 * @throws WEFT_USAGE when there is something in its place · WEFT_FILE_INVALID when what was written does not read back
 */
export async function writeBackup(
  directory: string,
  time: string,
  contexts: AsyncIterable<Sourced>,
  onProgress: (text: string) => void,
): Promise<BackupManifest> {
  const part = `${directory}.part`
  await checkFree(directory)
  await clearPart(part)
  await mkdir(join(part, 'contexts'), { recursive: true })
  const done: BackedUp[] = []
  const leftOut: LeftOut[] = []
  for await (const sourced of contexts) {
    if ('leftOut' in sourced) {
      leftOut.push(sourced.leftOut)
      continue
    }
    const { tenant, head, records } = sourced
    const file = `contexts/${String(done.length + 1).padStart(6, '0')}.jsonl`
    const copy = copyOfLog(head.workflow, records)
    const header = exportHeader(copy)
    await writeWhole(join(part, file), exportLines(copy, header))
    await readExport(join(part, file))
    done.push({ tenant, ...head, file, sha256: await sha256Of(join(part, file)), digest: header.digest })
    onProgress(`backed up ${done.length}: ${tenant} ${head.workflow}`)
  }
  const manifest = sealManifest({ time, contexts: done, leftOut })
  await writeWhole(join(part, MANIFEST), [`${JSON.stringify(manifest, null, 1)}\n`])
  await syncDirectory(join(part, 'contexts'))
  await syncDirectory(part)
  await rename(part, directory)
  await syncDirectory(dirname(directory))
  return manifest
}

export async function sha256Of(path: string): Promise<string> {
  const sum = createHash('sha256')
  await pipeline(createReadStream(path), sum)
  return sum.digest('hex')
}

async function checkFree(directory: string): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw usage(`${directory} is no directory: ${error.message}`, 'name one that is not there yet')
  })
  if (names !== undefined)
    throw usage(`${directory} is there already`, 'name a directory that is not there yet')
}

/** What a backup that was cut short left behind is made anew; anything else is not ours. */
async function clearPart(part: string): Promise<void> {
  const names = await readdir(part).catch(() => [])
  const strange = names.filter(name => name !== 'contexts' && !name.startsWith(MANIFEST))
  if (strange.length > 0)
    throw usage(`${part} holds ${strange[0]}`, 'move it away: the backup is written there first')
  await rm(part, { recursive: true, force: true })
}

async function syncDirectory(directory: string): Promise<void> {
  // Windows has no way to.
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
