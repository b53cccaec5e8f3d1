import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGES = fileURLToPath(new URL('../../packages', import.meta.url))

/** Tests load what is bundled, as users do: of modules that were compiled since, they would prove nothing. */
export default function bundlesAreFresh(): void {
  for (const name of readdirSync(PACKAGES)) {
    const bundled = join(PACKAGES, name, 'lib', '.bundled')
    if (existsSync(bundled) && compiledAt(join(PACKAGES, name, 'dist')) > statSync(bundled).mtimeMs) {
      throw new Error(`packages/${name} was compiled after it was bundled: npm run bundle`)
    }
  }
}

/** When the last of the modules in a folder was written. */
function compiledAt(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true, encoding: 'utf8' })
  const modules = entries.filter(entry => entry.isFile() && entry.name.endsWith('.js'))
  return Math.max(...modules.map(({ parentPath, name }) => statSync(join(parentPath, name)).mtimeMs))
}
