import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atAbruptEnd } from '../support/abrupt-end.ts'
import { run } from './tools.ts'

export const FILE_SYSTEMS = ['ext4', 'xfs'] as const
export type FileSystem = (typeof FILE_SYSTEMS)[number]

const PREFIX = 'weft-faults-'
const MIB = 2 ** 20
/** Nothing is put off: what is written to the disk later is of the test alone. */
const MAKE: Readonly<Record<FileSystem, readonly string[]>> = {
  ext4: ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0'],
  xfs: ['-q'],
}
/** Two copies of one disk have one id, which XFS mounts once. */
const MOUNT: Readonly<Record<FileSystem, string>> = { ext4: 'loop', xfs: 'loop,nouuid' }

/**
 * A folder for disk images and what is mounted of them. All of it goes with `release`, with the end of this process, or,
 * when that is killed, when the next one makes a folder.
 */
export class FaultFolder {
  readonly #callOff: () => void

  private constructor(readonly path: string) {
    this.#callOff = atAbruptEnd(() => clearAway(path))
  }

  static async make(): Promise<FaultFolder> {
    clearLeftovers()
    return new FaultFolder(await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`)))
  }

  /** Makes an empty file system in a sparse file; its path. */
  async image(name: string, fileSystem: FileSystem, size_mib: number): Promise<string> {
    const path = join(this.path, `${name}.img`)
    await makeImage(path, fileSystem, size_mib)
    return path
  }

  /** Where it is mounted. The loop device goes with the mount. */
  async mountImage(image: string, name: string, fileSystem: FileSystem = 'ext4'): Promise<string> {
    const point = join(this.path, name)
    await mkdir(point)
    await run('mount', '-t', fileSystem, '-o', MOUNT[fileSystem], image, point)
    return point
  }

  unmount(point: string): void {
    unmount(point)
    rmSync(point, { recursive: true })
  }

  release(): void {
    this.#callOff()
    clearAway(this.path)
  }
}

export async function makeImage(path: string, fileSystem: FileSystem, size_mib: number): Promise<void> {
  const file = await open(path, 'w')
  await file.truncate(size_mib * MIB)
  await file.close()
  await run(`mkfs.${fileSystem}`, ...MAKE[fileSystem], path)
}

/** Synchronous, for it has to be done when a process ends. */
function clearAway(folder: string): void {
  const mounts = mountsUnder(folder)
  // What is on a disk that stands still waits for it: so what was mounted first is thawed first.
  for (const point of mounts) spawnSync('fsfreeze', ['-u', point], { stdio: 'ignore' })
  for (const point of mounts.reverse()) unmount(point)
  rmSync(folder, { recursive: true, force: true })
}

function unmount(point: string): void {
  const { status } = spawnSync('umount', [point], { stdio: 'ignore' })
  // A process that was just killed may hold it for a moment: then it goes when that has gone.
  if (status !== 0) spawnSync('umount', ['--lazy', point], { stdio: 'ignore' })
}

/** In the order in which they were mounted. */
function mountsUnder(folder: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .flatMap(line => line.split(' ').slice(1, 2))
    .filter(point => point.startsWith(`${folder}/`))
}

/** What a process has left that was killed: its folders, and the peers that it ran in them. */
function clearLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    const folder = join(tmpdir(), name)
    for (const user of processesOf(folder)) process.kill(user, 'SIGKILL')
    clearAway(folder)
  }
}

/** Those that have something in a folder among their arguments. */
function processesOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(name => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`${folder}/`)
      } catch {
        return false
      }
    })
    .map(Number)
}
