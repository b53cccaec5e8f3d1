import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

/**
 * What each package is loaded from: its compiled modules in one file for each that it exports or runs, since a third of
 * the time in which a process begins goes into opening them one by one. Everything of other packages is left outside,
 * Weft's own as well, so that a process holds each package once, whoever imports it.
 */
const PACKAGES = ['core', 'protocol', 'store-level', 'scratch', 'replica', 'peer', 'gateway', 'cli']

/** What a package runs by its path, in a process or a thread of its own. */
const PROGRAMS = {
  peer: ['trial-worker'],
  gateway: ['gateway-worker'],
  cli: ['main', 'store-check-child', 'salvage-child', 'replay/peer-main', 'replay/worker-main'],
}

/** When it was last written tells how fresh a bundle is: a file that would be the same is left as it is. */
const STAMP = '.bundled'

for (const name of PACKAGES) {
  const folder = fileURLToPath(new URL(`packages/${name}`, import.meta.url))
  const { output } = await build(optionsOf(name, folder))
  write(join(folder, 'lib'), new Map(output.map(chunk => [chunk.fileName, chunk.code])))
}

function optionsOf(name, folder) {
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const exported = Object.values(exports).map(each => /^\.\/lib\/(.+)\.js$/.exec(each.default)[1])
  const entries = [...exported, ...(PROGRAMS[name] ?? [])]
  return {
    input: Object.fromEntries(entries.map(entry => [entry, join(folder, 'dist', `${entry}.js`)])),
    external: id => !/^[./]/.test(id),
    platform: 'node',
    write: false,
  }
}

/** Writes what has changed, whole or not at all: a process that runs may load another part of it at any moment. */
function write(lib, files) {
  for (const [name, code] of files) {
    const path = join(lib, name)
    if (existsSync(path) && readFileSync(path, 'utf8') === code) continue
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(`${path}.${process.pid}`, code)
    renameSync(`${path}.${process.pid}`, path)
  }
  writeFileSync(join(lib, STAMP), '')
  for (const name of readdirSync(lib, { recursive: true })) {
    if (name.endsWith('.js') && !files.has(name.replaceAll('\\', '/')))
      rmSync(join(lib, name), { force: true })
  }
}
