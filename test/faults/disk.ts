import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FaultFolder, type FileSystem, makeImage } from './fault-folder.ts'
import { run } from './tools.ts'

/** XFS makes none below 300. */
const SIZE_MIB: Readonly<Record<FileSystem, number>> = { ext4: 192, xfs: 320 }

/**
 * A disk whose power can be cut, with a file system on it. It is a file behind a loop device: that holds what the device was
 * given, and nothing of what the kernel keeps in memory of the files above. The file itself lies in an outer file system,
 * because one that is frozen takes no write: so the disk can be copied as it is at one instant, while all goes on above it.
 */
export class Disk {
  /** Where its file system is mounted. */
  readonly volume: string
  #cuts = 0

  private constructor(
    private readonly folder: FaultFolder,
    private readonly fileSystem: FileSystem,
    private readonly outer: string,
    volume: string,
  ) {
    this.volume = volume
  }

  static async make(fileSystem: FileSystem, size_mib = SIZE_MIB[fileSystem]): Promise<Disk> {
    const folder = await FaultFolder.make()
    try {
      const outer = await folder.mountImage(await folder.image('outer', 'ext4', 2 * size_mib), 'outer')
      const file = join(outer, 'disk.img')
      await makeImage(file, fileSystem, size_mib)
      return new Disk(folder, fileSystem, outer, await folder.mountImage(file, 'volume', fileSystem))
    } catch (error) {
      folder.release()
      throw error
    }
  }

  /** A copy of the disk as a power cut at an instant between the call and its end would leave it. */
  async cut(): Promise<PowerCut> {
    const name = `cut-${this.#cuts++}`
    const image = join(this.folder.path, `${name}.img`)
    await run('fsfreeze', '-f', this.outer)
    try {
      await run('cp', '--sparse=always', join(this.outer, 'disk.img'), image)
    } finally {
      await run('fsfreeze', '-u', this.outer)
    }
    return new PowerCut(this.folder, this.fileSystem, image, name)
  }

  release(): void {
    this.folder.release()
  }
}

/** What a power cut left. */
export class PowerCut {
  constructor(
    private readonly folder: FaultFolder,
    private readonly fileSystem: FileSystem,
    private readonly image: string,
    private readonly name: string,
  ) {}

  /** Mounts it, as a machine does that starts again: the journal of the file system is replayed. @returns where */
  mount(): Promise<string> {
    return this.folder.mountImage(this.image, this.name, this.fileSystem)
  }

  async discard(): Promise<void> {
    this.folder.unmount(join(this.folder.path, this.name))
    await rm(this.image)
  }
}
