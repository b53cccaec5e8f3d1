import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The text files of the repository, by their paths from its root. */
export type Files = ReadonlyMap<string, string>

const SKIPPED_FOLDERS = ['.git', '.weft', 'coverage', 'dist', 'lib', 'node_modules']
const TEXT_FILE =
  /\.(?:ts|js|mjs|json|md|yml|yaml|sh|html|css)$|(?:^|\/)(?:run|Dockerfile|\.npmrc|\.gitignore)$/

/** All text files of the repository by their path from its root. */
export function readRepository(): Files {
  const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
  const files = new Map<string, string>()
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      const name = relative(root, path).replaceAll(sep, '/')
      if (entry.isDirectory() && !SKIPPED_FOLDERS.includes(entry.name)) walk(path)
      if (entry.isFile() && (folder === root || TEXT_FILE.test(name)))
        files.set(name, readFileSync(path, 'utf8'))
    }
  }
  walk(root)
  return files
}

export function sources(files: Files, admit: (path: string) => boolean = () => true): [string, string][] {
  return [...files].filter(([path]) => /\.(?:ts|js|mjs)$/.test(path) && admit(path))
}

export function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1]
}

export function packagesIn(files: Files): string[] {
  return [...files.keys()]
    .filter(path => /^packages\/[^/]+\/package\.json$/.test(path))
    .map(path => packageOf(path)!)
}

interface Import {
  readonly path: string
  readonly target: string
  readonly where: string
}

const IMPORT =
  /^[ \t]*(?:import|export)\b[^'"`;()]*?\bfrom\s*['"]([^'"]+)['"]|^[ \t]*import\s*['"]([^'"]+)['"]|\b(?:import|require)\(\s*['"]([^'"]+)['"]/gm

export function imports(files: Files): Import[] {
  return sources(files)
    .filter(([path]) => path !== 'test/tidy.test.ts')
    .flatMap(([path, text]) =>
      matches(path, text, IMPORT).map(({ match, where }) => ({
        path,
        target: (match[1] ?? match[2] ?? match[3])!,
        where,
      })),
    )
}

/** Imports that lead back to their file, by way of others or not: those of the first file of each circle. */
export function circlesIn(files: Files): Import[] {
  const all = imports(files).map(each => ({ ...each, file: fileOf(each.path, each.target) }))
  const importedBy = new Map<string, Set<string>>()
  for (const { path, file } of all) importedBy.set(path, (importedBy.get(path) ?? new Set()).add(file))
  const reached = new Map<string, Set<string>>()
  const reachedFrom = (file: string): Set<string> => {
    const seen = reached.get(file) ?? new Set([file])
    // A set that grows while it is gone through is gone through to its end.
    if (!reached.has(file))
      for (const each of seen) for (const next of importedBy.get(each) ?? []) seen.add(next)
    reached.set(file, seen)
    return seen
  }
  return all.filter(({ path, file }) => {
    const seen = reachedFrom(file)
    return seen.has(path) && ![...seen].some(other => other < path && reachedFrom(other).has(path))
  })
}

/** The file that an import is of, if it is one of its package. */
function fileOf(path: string, target: string): string {
  return posix.join(posix.dirname(path), target).replace(/\.js$/, '.ts')
}

/**
 * The files of packages that a document names, line by line: one without a folder is in that of the name before it, one with a
 * folder in the sources of the package before it.
 */
export function filesNamed(document: string, text: string): { path: string; where: string }[] {
  return text.split('\n').flatMap((line, index) => {
    let sources: string | undefined
    let folder = ''
    return [...line.matchAll(/`([\w./-]+\.ts)`/g)].flatMap(([, name]) => {
      const [, of, rest] = /^(?:packages\/)?([\w-]+)\/src\/(.+)$/.exec(name!) ?? []
      if (of !== undefined) sources = `packages/${of}/src`
      if (sources === undefined) return []
      const within = rest ?? name!
      if (of !== undefined || within.includes('/')) folder = posix.dirname(within)
      const path = posix.join(sources, folder, posix.basename(within))
      return [{ path, where: `${document}:${index + 1}` }]
    })
  })
}

/** Imports in the packages, each with the package that it stands in. */
export function packageImports(files: Files): (Import & { readonly from: string })[] {
  return imports(files).flatMap(found => {
    const from = packageOf(found.path)
    return from === undefined ? [] : [{ ...found, from }]
  })
}

export function weftPackage(target: string): string | undefined {
  return /^@weft\/([^/]+)/.exec(target)?.[1]
}

/** The npm package of an import, or undefined for what is relative or of Node. */
export function libraryOf(target: string): string | undefined {
  if (target.startsWith('.') || target.startsWith('node:')) return undefined
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/')
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly references?: readonly { readonly path: string }[]
}

export function readJson(files: Files, path: string): Manifest {
  return JSON.parse(files.get(path) ?? '{}')
}

export function lineCount(text: string): number {
  return text.split('\n').length - 1
}

const PROSE = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g

/** The text with comments and quoted strings emptied, line by line as it was. Templates stay: they hold code too. */
export function withoutProse(text: string): string {
  return text.replace(PROSE, prose => prose.replace(/[^\n]/g, ' '))
}

export function matches(
  path: string,
  text: string,
  pattern: RegExp,
): { match: RegExpExecArray; where: string }[] {
  return [...text.matchAll(pattern)].map(match => {
    const before = text.slice(0, match.index + match[0].search(/\S/))
    return { match, where: `${path}:${before.split('\n').length}` }
  })
}

export function grep(path: string, text: string, patterns: readonly RegExp[]): string[] {
  return text.split('\n').flatMap((line, index) => {
    const found = patterns.map(pattern => pattern.exec(line)?.[0]).find(hit => hit !== undefined)
    return found === undefined ? [] : [`${path}:${index + 1} "${found}"`]
  })
}
