import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

/**
 * What each package is loaded from: its compiled modules in one file for each that it exports or runs, as half of the time
 * in which a process begins goes into opening files. Everything of other packages is left outside, Weft's own as well, so
 * that a process holds each package once, whoever imports it.
 */
const PACKAGES = ['core', 'protocol', 'store-level', 'scratch', 'replica', 'peer', 'gateway', 'cli']

/** What a package runs by its path, in a process or a thread of its own. */
const PROGRAMS = {
  peer: ['trial-worker'],
  gateway: ['gateway-worker'],
  cli: ['main', 'store-check-child', 'salvage-child', 'replay/peer-main', 'replay/worker-main'],
}

await build(PACKAGES.map(optionsOf))

function optionsOf(name) {
  const folder = new URL(`packages/${name}/`, import.meta.url)
  const { exports } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'))
  const exported = Object.values(exports).map(each => /^\.\/lib\/(.+)\.js$/.exec(each.default)[1])
  const entries = [...exported, ...(PROGRAMS[name] ?? [])]
  return {
    input: Object.fromEntries(entries.map(entry => [entry, pathOf(`dist/${entry}.js`, folder)])),
    external: id => !/^[./]/.test(id),
    platform: 'node',
    output: { dir: pathOf('lib', folder), cleanDir: true },
  }
}

function pathOf(name, folder) {
  return fileURLToPath(new URL(name, folder))
}
