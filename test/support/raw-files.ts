import { createHash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The files below a directory by their path from it, with what is in them; but for what LevelDB tells people. */
export async function filesIn(directory: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && !/^LOG(\.old)?$/.test(entry.name))
      files.set(path.slice(directory.length + 1), await readFile(path))
  }
  return files
}

/** The files that hold these bytes as they are. */
export async function filesHolding(directory: string, bytes: string): Promise<string[]> {
  const files = [...(await filesIn(directory))]
  return files.filter(([, content]) => content.includes(bytes)).map(([path]) => path)
}

/** One hash over all names and contents below a directory. */
export async function fingerprint(directory: string): Promise<string> {
  const hash = createHash('sha256')
  const files = [...(await filesIn(directory))].sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [path, content] of files) hash.update(`${path}\0${content.length}\0`).update(content)
  return hash.digest('hex')
}

/** A copy of a directory beside all others. */
export async function copied(directory: string): Promise<string> {
  const copy = join(await mkdtemp(join(tmpdir(), 'weft-copy-')), 'store')
  await cp(directory, copy, { recursive: true })
  return copy
}
