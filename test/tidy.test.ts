import { posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  circlesIn,
  type Files,
  filesNamed,
  grep,
  imports,
  libraryOf,
  lineCount,
  matches,
  packageImports,
  packageOf,
  packagesIn,
  readJson,
  readRepository,
  sources,
  weftPackage,
  withoutProse,
} from './support/repository.ts'

/**
 * The architecture as a test. Each rule is a function from the files of the repository to a list of violations, each
 * beginning with `file:line`; below, every rule is also shown a planted violation, so that none can pass by accident.
 */

/** An import may only point to a lower floor. A new package takes its place here first. */
const FLOOR_OF: Readonly<Record<string, number>> = {
  core: 0,
  protocol: 1,
  'store-level': 2,
  scratch: 2,
  replica: 3,
  peer: 3,
  testkit: 4,
  gateway: 4,
  cli: 5,
}
/** The folders of packages that have many files, the lowest first. What lies beside them has no floor, and is in no circle. */
const FOLDERS_OF: Readonly<Record<string, readonly string[]>> = {
  core: [
    'base',
    'refs',
    'messages',
    'change',
    'graph',
    'automerge',
    'notes',
    'writes',
    'set',
    'state',
    'staleness',
    'definitions',
    'overlays',
    'authors',
    'undoing',
    'window',
  ],
  replica: ['base', 'sync', 'overlays', 'reading', 'writing', 'leases', 'subscriptions', 'steps', 'handles'],
  peer: ['base', 'tokens', 'turns', 'trials', 'log', 'tenants', 'door', 'http'],
  'store-level': ['base', 'records', 'encryption', 'files', 'seals', 'writes', 'logs'],
  cli: ['base', 'settings', 'logs', 'formats', 'cli', 'peers', 'stores', 'replay', 'commands'],
}
const PURE = ['core', 'protocol']
/** Libraries that one package alone may know. */
const CONFINED: Readonly<Record<string, string>> = {
  '@automerge/automerge': 'core',
  yjs: 'scratch',
  'y-protocols': 'scratch',
  'y-websocket': 'scratch',
}

/** What an example may import: what a user would. */
const FOR_USERS = /^(?:@weft\/(?:replica|peer|store-level|cli)|node:[\w/]+|zod|\.\.?\/.*)$/

/** What a pure package must be given instead of taking it. */
const AMBIENT = [
  /\bDate\.now\b/,
  /\bnew Date\b/,
  /\bMath\.random\b/,
  /(?<![.\w])process\.\w/,
  /(?<![.\w])Buffer\b/,
  /(?<![.\w])set(?:Timeout|Interval|Immediate)\b/,
  /(?<![.\w])performance\./,
  /(?<![.\w])console\./,
  /(?<![.\w])fetch\(/,
  /(?<![.\w])crypto\./,
  /\bglobalThis\b/,
]

/** What is not known here was left behind by some tool. */
const AT_THE_TOP = [
  '.git',
  '.gitignore',
  '.npmrc',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'LICENSE',
  'README.md',
  'SECURITY.md',
  'biome.json',
  'bundle.mjs',
  'package-lock.json',
  'package.json',
  'tsconfig.base.json',
  'tsconfig.json',
  'vitest.config.ts',
]

const LINES_MAX = 400
const MEDIAN_LINES_MAX = 120
/** What each package has reached already. A ratchet: numbers here go down, or they get a good reason in review. */
const RATCHET: Readonly<Record<string, { readonly median: number; readonly longest: number }>> = {
  core: { median: 90, longest: 300 },
}

/** Every law of the model, by the number of laws in its group. */
const LAWS_PER_GROUP: Readonly<Record<string, number>> = {
  TEN: 5,
  CHG: 5,
  ORD: 3,
  MRG: 3,
  STL: 6,
  TIR: 2,
  DUR: 7,
  SES: 3,
  HND: 3,
  OVL: 3,
  STP: 4,
  WIN: 5,
  CMP: 1,
  WAK: 1,
  ERA: 1,
}
const LAWS = new Set(
  Object.entries(LAWS_PER_GROUP).flatMap(([group, count]) =>
    Array.from({ length: count }, (_, index) => `${group}-${index + 1}`),
  ),
)

type Rule = (files: Files) => string[]

/** The floor of a file within its package: -1 in a folder that has none; undefined for what lies in no folder. */
function folderFloor(path: string): number | undefined {
  const folders = FOLDERS_OF[packageOf(path) ?? '']
  const [, folder] = /^packages\/[^/]+\/src\/([^/]+)\//.exec(path) ?? []
  return folder === undefined ? undefined : folders?.indexOf(folder)
}

const RULES: Readonly<Record<string, Rule>> = {
  'every package has a floor': files =>
    packagesIn(files)
      .filter(name => FLOOR_OF[name] === undefined)
      .map(name => `packages/${name}/package.json:1 has no floor in test/tidy.test.ts`),

  'imports between packages point down': files =>
    packageImports(files).flatMap(({ from, target, where }) => {
      const to = weftPackage(target)
      if (to === undefined || to === from || FLOOR_OF[to]! < FLOOR_OF[from]!) return []
      return [`${where} ${from} imports ${target}, which is not on a lower floor`]
    }),

  'a package is reached by its name, never by a path into it': files =>
    imports(files).flatMap(({ path, target, where }) => {
      if (!target.startsWith('.')) return []
      const resolved = posix.join(posix.dirname(path), target)
      const owner = packageOf(resolved)
      return owner === undefined || owner === packageOf(path) ? [] : [`${where} reaches ${target}`]
    }),

  'imports between folders of a package point down': files =>
    imports(files).flatMap(({ path, target, where }) => {
      const from = folderFloor(path)
      const to = folderFloor(posix.join(posix.dirname(path), target))
      if (from === undefined || to === undefined || (to <= from && to >= 0)) return []
      return [`${where} imports ${target}, which is not on a lower floor`]
    }),

  'no file comes back to itself by what it imports': files =>
    circlesIn(files).map(({ where, target }) => `${where} imports ${target}, which leads back to it`),

  'what a package imports is declared in its package.json': files =>
    packageImports(files).flatMap(({ from, target, where }) => {
      const name = libraryOf(target)
      if (name === undefined || name === `@weft/${from}`) return []
      const { dependencies = {}, peerDependencies = {} } = readJson(files, `packages/${from}/package.json`)
      return name in { ...dependencies, ...peerDependencies } ? [] : [`${where} imports undeclared ${name}`]
    }),

  'what a package imports is referenced in its tsconfig.json': files =>
    packageImports(files).flatMap(({ from, target, where }) => {
      const to = weftPackage(target)
      if (to === undefined || to === from) return []
      const { references = [] } = readJson(files, `packages/${from}/tsconfig.json`)
      return references.some(({ path }) => path === `../${to}`)
        ? []
        : [`${where} lacks a reference to ../${to}`]
    }),

  'core and protocol import nothing of the host': files =>
    packageImports(files).flatMap(({ from, target, where }) =>
      PURE.includes(from) && /^(node:|ws$|level$|classic-level$)/.test(target)
        ? [`${where} imports ${target}`]
        : [],
    ),

  'core and protocol read no clock, no randomness and no environment': files =>
    sources(files, path => PURE.includes(packageOf(path) ?? '')).flatMap(([path, text]) =>
      grep(path, withoutProse(text), AMBIENT),
    ),

  'automerge and yjs each have one package that knows them': files =>
    packageImports(files).flatMap(({ from, target, where }) => {
      const owner = CONFINED[libraryOf(target) ?? '']
      return owner === undefined || owner === from ? [] : [`${where} only ${owner} imports ${target}`]
    }),

  'an example imports what users import': files =>
    imports(files).flatMap(({ path, target, where }) =>
      path.startsWith('examples/') && !FOR_USERS.test(target) ? [`${where} imports ${target}`] : [],
    ),

  [`no file is longer than ${LINES_MAX} lines`]: files =>
    sources(files).flatMap(([path, text]) => {
      const longest = RATCHET[packageOf(path) ?? '']?.longest ?? LINES_MAX
      const lines = lineCount(text)
      return lines > longest ? [`${path}:${lines} is longer than ${longest} lines`] : []
    }),

  'the median file of a package stays short': files =>
    packagesIn(files).flatMap(name => {
      const lengths = sources(files, path => path.startsWith(`packages/${name}/src/`))
        .map(([, text]) => lineCount(text))
        .sort((a, b) => a - b)
      const median = lengths[lengths.length >> 1] ?? 0
      const most = RATCHET[name]?.median ?? MEDIAN_LINES_MAX
      return median > most ? [`packages/${name}/src:1 has a median of ${median} lines, above ${most}`] : []
    }),

  'nothing is left for later': files =>
    sources(files).flatMap(([path, text]) => grep(path, text, [/\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b/])),

  'types are not switched off': files =>
    sources(files).flatMap(([path, text]) => [
      ...grep(path, withoutProse(text), [/(?::|\bas|<|\|)\s*any\b/, /,\s*any\s*>/]),
      ...grep(path, text, [/@ts-(?:ignore|nocheck)\b/]),
    ]),

  'every test runs': files =>
    sources(files, path => path.startsWith('test/')).flatMap(([path, text]) =>
      grep(path, withoutProse(text), [/\b(?:test|it|describe|suite)\.(?:only|skip|todo|fails)\b/]),
    ),

  'every property goes by the seed that can be set': files =>
    sources(files, path => path.startsWith('test/') && path !== 'test/support/core-property.ts').flatMap(
      ([path, text]) => grep(path, withoutProse(text), [/\bfc\.(?:assert|check)\b/]),
    ),

  'test titles name laws that exist': files =>
    sources(files, path => path.startsWith('test/')).flatMap(([path, text]) =>
      matches(path, text, /\[([A-Z]{3}-\d+)\]/g)
        .filter(({ match }) => !LAWS.has(match[1]!))
        .map(({ where, match }) => `${where} there is no law ${match[1]}`),
    ),

  'what the documents name is there': files =>
    ['ARCHITECTURE.md', 'CONTRIBUTING.md'].flatMap(document =>
      filesNamed(document, files.get(document) ?? '')
        .filter(({ path }) => !files.has(path))
        .map(({ path, where }) => `${where} names ${path}, which is not there`),
    ),

  'nothing lies at the top that is not known': files =>
    [...files.keys()]
      .filter(path => !path.includes('/') && !AT_THE_TOP.includes(path))
      .map(path => `${path}:1 is not known in test/tidy.test.ts: remove it, or name it there`),

  'no file depends on one machine or one registry': files =>
    [...files].flatMap(([path, text]) =>
      grep(path, text, [
        /(?<![\w.~$})\]/-])\/(?:root|home|work|Users)\/\w/,
        /https?:\/\/[\w.-]*registry[\w.-]*/i,
        /"resolved"\s*:\s*"http/,
      ]),
    ),
}

describe('the repository is tidy', () => {
  const files = readRepository()
  test.each(Object.entries(RULES))('%s', (_, rule) => {
    expect(rule(files)).toEqual([])
  })
})

const PLANTED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'every package has a floor': { 'packages/attic/package.json': '{}' },
  'imports between packages point down': { 'packages/replica/src/a.ts': "import { p } from '@weft/peer'" },
  'a package is reached by its name, never by a path into it': {
    'packages/peer/src/a.ts': "export * from '../../core/src/dag.js'",
  },
  'imports between folders of a package point down': {
    'packages/core/src/graph/a.ts': "import { b } from '../set/b.js'",
    'packages/core/src/set/b.ts': "import { c } from '../graph/c.js'",
  },
  'no file comes back to itself by what it imports': {
    'packages/peer/src/a.ts': "import { b } from './b.js'",
    'packages/peer/src/b.ts': "export * from './sub/c.js'",
    'packages/peer/src/sub/c.ts': "import type { A } from '../a.js'",
  },
  'what a package imports is declared in its package.json': {
    'packages/peer/package.json': '{ "dependencies": { "ws": "8" } }',
    'packages/peer/src/a.ts': "import 'ws'\nimport pino from 'pino/file'",
  },
  'what a package imports is referenced in its tsconfig.json': {
    'packages/peer/tsconfig.json': '{ "references": [{ "path": "../protocol" }] }',
    'packages/peer/src/a.ts':
      "import {\n  a,\n} from '@weft/protocol'\nconst core = await import('@weft/core')",
  },
  'core and protocol import nothing of the host': { 'packages/core/src/a.ts': "import fs from 'node:fs'" },
  'core and protocol read no clock, no randomness and no environment': {
    'packages/protocol/src/a.ts':
      '/** Date.now() is allowed\n here */\nconst a = "Math.random"\nconst b = Date.now()',
  },
  'automerge and yjs each have one package that knows them': {
    'packages/replica/src/a.ts': "import type { Doc } from '@automerge/automerge'",
  },
  'an example imports what users import': {
    'examples/a/a.ts':
      "import { z } from 'zod'\nimport { connect } from '@weft/replica'\nimport '@weft/core'",
  },
  [`no file is longer than ${LINES_MAX} lines`]: { 'test/laws/a.test.ts': '\n'.repeat(LINES_MAX + 1) },
  'the median file of a package stays short': {
    'packages/peer/package.json': '{}',
    'packages/peer/src/a.ts': '\n'.repeat(MEDIAN_LINES_MAX + 1),
  },
  'nothing is left for later': { 'packages/peer/src/a.ts': `// ${'TO'}DO: later` },
  'types are not switched off': { 'bench/a.ts': 'const a = JSON.parse(b) as any' },
  'every test runs': { 'test/a.test.ts': "test.only('a', () => {})" },
  'every property goes by the seed that can be set': { 'test/a.test.ts': 'fc.assert(law)' },
  'test titles name laws that exist': { 'test/a.test.ts': `test('[${'ORD'}-9] sorted', () => {})` },
  'what the documents name is there': {
    'ARCHITECTURE.md': '| a | `core/src/a/b.ts`, `c.ts` on `d/e.ts`, `route-*.ts`, `gone.ts` |',
    'packages/core/src/a/b.ts': '',
    'packages/core/src/a/c.ts': '',
    'packages/core/src/d/e.ts': '',
  },
  'nothing lies at the top that is not known': { 'isolate-v8.log': '' },
  'no file depends on one machine or one registry': { 'README.md': `see ${'/home'}/ada/weft` },
}

describe('each rule finds what it forbids', () => {
  test.each(Object.entries(RULES))('%s', (name, rule) => {
    const planted = PLANTED[name]
    expect(planted, `plant a violation of "${name}"`).toBeDefined()
    const found = rule(new Map(Object.entries(planted!)))
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(/^[\w./-]+:\d+ /)
  })
})
