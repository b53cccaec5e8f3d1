import { existsSync } from 'node:fs'
import { FaultFolder } from './fault-folder.ts'
import { isInstalled, PACKAGE_OF, type Tool } from './tools.ts'

/**
 * Why real faults cannot be made here, which it prints as well; undefined when they can.
 * @param counts the settings that ask for so many of them: then to make none is no success
 * @throws when they are asked for; and in CI, as root, when nothing but a program is missing, which is to be installed
 */
export async function obstacleTo(
  what: string,
  tools: readonly Tool[],
  counts: readonly string[],
): Promise<string | undefined> {
  const obstacle = await find(tools)
  if (obstacle === undefined) return undefined
  if (counts.some(name => process.env[name] !== undefined)) throw new Error(`no ${what}: ${obstacle}`)
  console.warn(`left out: ${what}, for ${obstacle}`)
  return obstacle
}

async function find(tools: readonly Tool[]): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'they are made with the loop devices of Linux'
  if (process.getuid?.() !== 0) return 'loop devices and mounts take root'
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices here'
  const missing = tools.filter(tool => !isInstalled(tool)).map(tool => PACKAGE_OF[tool])
  if (missing.length === 0) return mountObstacle()
  const packages = [...new Set(missing)].join(' ')
  if (process.env.CI) throw new Error(`as root, CI makes real faults: apt-get install ${packages}`)
  return `programs are missing: apt-get install ${packages}`
}

/** Root of a container may lack the right to mount, or the devices. */
async function mountObstacle(): Promise<string | undefined> {
  const folder = await FaultFolder.make()
  try {
    await folder.mountImage(await folder.image('trial', 'ext4', 4), 'trial-volume')
    return undefined
  } catch (error) {
    return `root may mount no image here: ${String(error).replaceAll('\n', ' ')}`
  } finally {
    folder.release()
  }
}
