import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { syncDirectory } from '@weft/store-level'
import { copyOfLog } from '../logs/logs.js'
import {
  type BackedUp,
  type BackupManifest,
  type LeftOut,
  MANIFEST,
  sealManifest,
} from '../formats/backup-format.js'
import { exportHeader, exportLines } from '../formats/export-format.js'
import { readExport } from '../formats/export-reader.js'
import { makeDirectoryAside, writeWhole } from '../cli/aside.js'
import type { Sourced } from './backup-source.js'

/**
 * Writes a backup. Each context is read back from its file and checked; the directory has its name only when all of it is
 * on disk.
 * @throws WEFT_USAGE when there is something in its place · WEFT_FILE_INVALID when what was written does not read back
 */
export function writeBackup(
  directory: string,
  time: string,
  contexts: AsyncIterable<Sourced>,
  onProgress: (text: string) => void,
): Promise<BackupManifest> {
  return makeDirectoryAside(directory, true, part => writeInto(part, time, contexts, onProgress))
}

async function writeInto(
  part: string,
  time: string,
  contexts: AsyncIterable<Sourced>,
  onProgress: (text: string) => void,
): Promise<BackupManifest> {
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
  await syncDirectory(part)
  return manifest
}

export async function sha256Of(path: string): Promise<string> {
  const sum = createHash('sha256')
  await pipeline(createReadStream(path), sum)
  return sum.digest('hex')
}
