import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** The programs that faults are made with, and the packages of Debian that bring them. */
export const PACKAGE_OF = {
  cp: 'coreutils',
  fsfreeze: 'util-linux',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  mount: 'mount',
  strace: 'strace',
} as const
export type Tool = keyof typeof PACKAGE_OF

const execute = promisify(execFile)

/** Runs a program of the system. @throws with what it complained of, when it failed */
export async function run(tool: Tool, ...args: string[]): Promise<void> {
  await execute(tool, args)
}

export function isInstalled(tool: Tool): boolean {
  return (process.env.PATH ?? '').split(':').some(folder => {
    try {
      accessSync(join(folder, tool), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
