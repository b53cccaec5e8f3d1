import { mkdir, open, readdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

/** Makes `directory` and what is missing above it, durably: a store that a power cut unlinks has lost its commits (DUR-1). */
export async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true })
  if (first === undefined) return
  const top = dirname(resolve(first))
  for (let at = resolve(directory); at !== top; ) {
    at = dirname(at)
    await syncDirectory(at)
  }
}

export async function syncDirectory(directory: string): Promise<void> {
  // Windows has no way to.
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Whether LevelDB has written anything here. The empty files of a store whose making was cut short do not count. */
export async function holdsData(directory: string): Promise<boolean> {
  for (const name of await readdir(directory)) {
    if (/^\d+\.(ldb|sst|log)$/.test(name) && (await stat(join(directory, name))).size > 0) return true
  }
  return false
}

/** Whether somebody made a store here, however little is left of it. */
export async function holdsStore(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch(() => [])
  return names.some(name => /^(CURRENT|weft\.seal|\d+\.(ldb|sst))$/.test(name))
}

const claimed = new Set<string>()

/**
 * Claims the directory within this process; false when it is claimed. LevelDB has a lock file against other processes,
 * but its check within a process closes that file, and with it POSIX drops the lock: a refused second opening would
 * open the door to a second process.
 */
export async function claimDirectory(directory: string): Promise<{ release: () => void } | false> {
  const path = await realpath(directory)
  if (claimed.has(path)) return false
  claimed.add(path)
  return { release: () => claimed.delete(path) }
}
