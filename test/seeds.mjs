import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { parseArgs } from 'node:util'

const HELP = `npm run soak:seeds -- [--seeds N] [--from S] [test/laws …]

Runs the tests that go by a seed under N others (default 5), from S on (default: one of the day). What follows are the
beginnings of paths: of the tests, those below them alone. Ends with the command that repeats each failure.`

const USAGE = 2
const DAY_MS = 86_400_000
const SEEDS_PER_DAY = 10_000
/** Some tests take a seed and those that follow it, so one that is near to another would repeat much of it. */
const SEED_STEP = 1_000

/** What goes by the seed says so where it takes it: from the environment, or from the helper that all properties share. */
const TAKES_SEED =
  /process\.env\.WEFT_SEED|^import \{[^}]*\b(?:SEED|holds|holdsAsync)\b[^}]*\} from '[^']*\/core-property\.ts'/m
const SHARED = 'test/support/core-property.ts'

/** The test files that take the seed, themselves or through a helper that does. */
function seededTests() {
  const paths = readdirSync('test', { recursive: true }).filter(path => path.endsWith('.ts'))
  const texts = new Map(paths.map(path => [join('test', path), readFileSync(join('test', path), 'utf8')]))
  const seeded = new Set([...texts].flatMap(([path, text]) => (TAKES_SEED.test(text) ? path : [])))
  // That a file needs something else of the shared helper says nothing.
  seeded.delete(SHARED)
  for (let size = -1; size < seeded.size; ) {
    size = seeded.size
    for (const [path, text] of texts) {
      const imported = [...text.matchAll(/from '(\.[^']*)'/g)].map(([, to]) => join(dirname(path), to))
      if (imported.some(to => seeded.has(to))) seeded.add(path)
    }
  }
  return [...seeded].filter(path => path.endsWith('.test.ts')).sort()
}

/** @returns how it ended, and all that it printed */
function vitest(seed, args) {
  const child = spawn('npx', ['vitest', 'run', ...args], {
    env: { ...process.env, WEFT_SEED: `${seed}`, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      output += text
    })
  }
  return new Promise(resolve => child.on('close', code => resolve({ code, output })))
}

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function repeating(seed, path, title) {
  const only = title === undefined ? '' : ` -t ${quoted(title.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))}`
  return `WEFT_SEED=${seed} npx vitest run ${path}${only}`
}

/** @returns what failed of a file: each test, or the file itself where it did not come to that */
function failuresOf(seed, { name, status, message, assertionResults }) {
  const path = relative('.', name)
  const failed = assertionResults.filter(test => test.status === 'failed')
  if (failed.length === 0 && status === 'failed') return [{ command: repeating(seed, path), message }]
  return failed.map(({ fullName, failureMessages }) => ({
    command: repeating(seed, path, fullName),
    message: failureMessages.join('\n').replace(/^ +at .*\/node_modules\/.*\n?/gm, ''),
  }))
}

async function failuresUnder(seed, tests) {
  const folder = mkdtempSync(join(tmpdir(), 'weft-seeds-'))
  const report = join(folder, 'report.json')
  try {
    const { code, output } = await vitest(seed, [
      '--reporter=default',
      '--reporter=json',
      `--outputFile=${report}`,
      ...tests,
    ])
    const { testResults } = existsSync(report)
      ? JSON.parse(readFileSync(report, 'utf8'))
      : { testResults: [] }
    const failures = testResults.flatMap(file => failuresOf(seed, file))
    // An error that no test caught is none of theirs, and nor is an end before the report.
    const uncaught = /^.*Unhandled Errors.*/ms.exec(output)?.[0]
    if (uncaught !== undefined || (failures.length === 0 && code !== 0))
      failures.push({ command: repeating(seed, tests.join(' ')), message: uncaught ?? output })
    return failures
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function soak({ seeds, from, tests }) {
  const failures = []
  for (let n = 0; n < seeds; n++) {
    const seed = from + n * SEED_STEP
    const began_ms = performance.now()
    const found = await failuresUnder(seed, tests)
    failures.push(...found)
    const seconds = ((performance.now() - began_ms) / 1_000).toFixed(0)
    console.log(`seed ${seed}: ${tests.length} files, ${found.length} failures, ${seconds} s`)
    for (const { command, message } of found) console.log(`${message}\n  ${command}\n`)
  }
  if (failures.length > 0) console.log(`${failures.length} failures; each again:`)
  for (const { command } of failures) console.log(`  ${command}`)
  return failures.length === 0 ? 0 : 1
}

/** @throws what is wrong with the arguments; undefined when help was asked for */
function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '5' },
      from: { type: 'string', default: String(Math.floor(Date.now() / DAY_MS) * SEEDS_PER_DAY) },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const [seeds, from] = [Number(values.seeds), Number(values.from)]
  if (!(Number.isSafeInteger(seeds) && seeds > 0 && Number.isSafeInteger(from)))
    throw new TypeError('--seeds takes a whole number from 1 on, and --from a whole number')
  const isAsked = path => positionals.length === 0 || positionals.some(each => path.startsWith(each))
  const tests = seededTests().filter(isAsked)
  if (tests.length === 0)
    throw new TypeError(`no test that goes by a seed is below ${positionals.join(', ')}`)
  return { seeds, from, tests }
}

async function main() {
  let asked
  try {
    asked = readArguments()
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`)
    return USAGE
  }
  if (asked !== undefined) return soak(asked)
  console.log(HELP)
  return 0
}

process.exitCode = await main()
