import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { readTraces, SAMPLE_TRACES } from '@weft/cli'
import type { Mistake } from '../../examples/seven-mistakes/dist/mistake.js'
import { MISTAKES } from '../../examples/seven-mistakes/dist/mistakes.js'
import { type Report, run } from '../../examples/seven-mistakes/dist/run.js'
import { type Workload, workloadOf } from '../../examples/seven-mistakes/dist/workload.js'

const ROOT = join(import.meta.dirname, '../..')
const DIST = join(ROOT, 'examples/seven-mistakes/dist')

async function sample(): Promise<Workload> {
  return workloadOf(await readTraces(SAMPLE_TRACES), SAMPLE_TRACES)
}

/** Runs a module as `npm run mistakes` does, with a folder of its own for what it leaves behind. */
async function start(module: string, ...args: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'weft-mistakes-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const options = { cwd: ROOT, env: { PATH: process.env.PATH, TMPDIR: folder } }
  return new Promise<{ code: number; stdout: string; stderr: string; left: string[] }>(resolve => {
    const child = execFile(process.execPath, [module, ...args], options, async (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr, left: await readdir(folder) })
    })
  })
}

/** The module that the script of package.json runs once all is built. */
async function scripted(): Promise<string> {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  const { module } = /^npm run --silent build && node (?<module>\S+)$/.exec(scripts.mistakes)!.groups!
  return join(ROOT, module!)
}

async function written(name: string, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-mistakes-file-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, name)
  await writeFile(file, text)
  return file
}

const way = <Verdict extends string>(verdict: Verdict) =>
  z.strictObject({ verdict: z.literal(verdict), says: z.string().min(20), outcome: z.looseObject({}) })
const ShownMistake = z.strictObject({
  number: z.number(),
  title: z.string().min(10),
  usual: z.string().min(20),
  cure: z.string().min(20),
  laws: z.array(z.string().regex(/^[A-Z]{3}-\d$/)).min(1),
  naive: way('corrupted'),
  weft: way('holds'),
  ok: z.literal(true),
})
const AllShown = z.strictObject({
  traces: z.string(),
  workflow: z.string(),
  mistakes: z.array(ShownMistake).length(7),
  ok: z.literal(true),
})

/** The README shows the beginning, something in the middle, and the end. */
async function checkShown(stdout: string): Promise<void> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  const parts = /<!-- test: mistakes -->\n```\n([\s\S]*?)\n```/.exec(readme)![1]!.split('\n…\n')
  expect(parts).toHaveLength(3)
  let from = 0
  for (const part of parts) {
    expect(stdout.slice(from)).toContain(part)
    from = stdout.indexOf(part, from) + part.length
  }
  expect(stdout.slice(from)).toBe('\n')
}

describe('npm run mistakes', () => {
  it('shows seven mistakes, each corrupted the usual way and not with Weft, as the README does, and ends with 0', async () => {
    const { code, stdout, stderr, left } = await start(await scripted())
    expect(stderr).toBe('')
    expect(code).toBe(0)
    for (const [index, { title }] of MISTAKES.entries()) {
      expect(stdout).toContain(`\n${index + 1}. ${title} (`)
      expect(stdout).toMatch(new RegExp(`^${index + 1} +${title} +corrupted +holds$`, 'm'))
    }
    expect(stdout.match(/^ {5}corrupted: \S/gm)).toHaveLength(7)
    expect(stdout.match(/^ {5}holds: \S/gm)).toHaveLength(7)
    expect(stdout).toMatch(/All 7 corrupt the context without Weft, and none does with it\.\n$/)
    expect(stdout).not.toContain('\x1b')
    expect(left).toEqual([])
    await checkShown(stdout)
  })

  it('says the same as one JSON object, on recorded runs that it is given', async () => {
    const file = await written('one.jsonl', '{"workflow":"w","branch":"b","messages":[{"role":"user"}]}\n')
    const { code, stdout, left } = await start(await scripted(), '--json', '--traces', file)
    const report = AllShown.parse(JSON.parse(stdout))
    expect(report.mistakes.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(report.workflow).toBe('w')
    expect(code).toBe(0)
    expect(left).toEqual([])
  })

  it('ends with 1 when one way of Weft is broken, and names it', async () => {
    const script = await written(
      'planted.mjs',
      `import { main } from ${JSON.stringify(pathToFileURL(join(DIST, 'command.js')).href)}
       import { MISTAKES } from ${JSON.stringify(pathToFileURL(join(DIST, 'mistakes.js')).href)}
       const [handoff, tenants, order] = MISTAKES
       process.exitCode = await main([handoff, { ...tenants, weft: tenants.naive }, order], [])`,
    )
    const { code, stdout } = await start(script)
    expect(stdout).toMatch(/Not as promised: 2\.\n$/)
    expect(code).toBe(1)
  })

  it.each<[string, string[], number, RegExp]>([
    ['a flag that there is not', ['--bogus'], 2, /WEFT_USAGE.*--bogus/s],
    ['a file that is not there', ['--traces', 'nowhere.jsonl'], 1, /WEFT_FILE_INVALID.*nowhere\.jsonl/s],
  ])('refuses %s by its code', async (_, args, expected, said) => {
    const { code, stdout, stderr } = await start(await scripted(), ...args)
    expect(stdout).toBe('')
    expect(stderr).toMatch(said)
    expect(code).toBe(expected)
  })

  it('refuses a file without one recorded message', async () => {
    const file = await written('none.jsonl', '{"workflow":"w","branch":"b","messages":[]}\n')
    const traces = await readTraces(file)
    expect(() => workloadOf(traces, file)).toThrowError(
      expect.objectContaining({ code: 'WEFT_FILE_INVALID', details: { file } }),
    )
  })
})

describe('a mistake, shown on the sample', () => {
  let report: Report
  let workload: Workload

  beforeAll(async () => {
    workload = await sample()
    report = await run(MISTAKES, workload, SAMPLE_TRACES)
  })

  const outcomes = (number: number) => {
    const { naive, weft } = report.mistakes[number - 1]!
    return { naive: naive.outcome as never, weft: weft.outcome as never }
  }

  it('1: [HND-1] [SES-2] whoever resumes knows the constraint, and nobody did the usual way', () => {
    const { naive, weft } = outcomes(1)
    const { constraint } = workload
    expect(naive).toEqual({ constraint, resumedWith: [], left: [] })
    expect(weft).toEqual({ constraint, resumedWith: [constraint], left: [constraint] })
  })

  it('2: [TEN-1] [TEN-2] [TEN-3] each tenant reads its own, and joined ids gave it what is another’s', () => {
    const { naive, weft } = outcomes(2)
    const [acme, other] = workload.attempts.map(({ answers }) => answers.at(-1)!)
    const { workflow } = workload
    const both = [
      { tenant: 'acme', text: acme },
      { tenant: 'globex', text: other },
    ]
    expect(naive).toMatchObject({
      sameId: [{ read: both.slice(0, 1) }, { tenant: 'globex', workflow, read: both }],
      sameKey: [{}, { tenant: 'acme:eu', workflow, read: [both[0], { tenant: 'acme:eu' }] }],
    })
    expect(weft).toMatchObject({
      sameId: both.map(own => ({ tenant: own.tenant, workflow, read: [own], refused: null })),
      sameKey: [{ refused: 'WEFT_ID_INVALID' }, { refused: 'WEFT_ID_INVALID' }],
    })
  })

  it('3: [ORD-2] [MRG-2] [MRG-3] two arrivals merge alike with all values, and came out as two contexts', () => {
    const { naive, weft } = outcomes(3)
    const turns = workload.attempts.flatMap(({ branch, turns }) =>
      turns.map((text, index) => `${branch} ${index + 1}: ${text}`),
    )
    const wrote = workload.attempts.map(({ branch, answers }) => `${branch}: ${answers.at(-1)}`)
    const merged = { order: turns, outcomes: [...wrote].sort() }
    expect(weft).toMatchObject({ wrote, merges: [merged, merged] })
    const [one, two] = (naive as { merges: { order: string[]; outcomes: string[] }[] }).merges
    expect(one!.order).not.toEqual(two!.order)
    expect([...one!.order].sort()).toEqual([...turns].sort())
    expect([one!.outcomes, two!.outcomes].map(({ length }) => length)).toEqual([1, 1])
  })

  it('4: [STL-1] [STL-5] [STP-3] nothing is done on what is stale, which a TTL had called fresh', () => {
    const { naive, weft } = outcomes(4)
    const { before, after } = workload.source
    expect(naive).toEqual({ truth: after, actedOn: [before], told: 'fresh for 179 s more', refused: null })
    const told = 'stale: ext:get_dashboard has changed'
    expect(weft).toEqual({ truth: after, actedOn: [after], told, refused: 'WEFT_EFFECT_REFUSED' })
  })

  it('5: [TIR-1] [TIR-2] drafts end and decisions stay, and one expiry had both read and both lost', () => {
    const { naive, weft } = outcomes(5)
    const { drafts, decision } = weft as { drafts: string[]; decision: string }
    expect(drafts).toHaveLength(3)
    expect(naive).toMatchObject({ nextTurn: [...drafts, decision], nextMorning: [] })
    expect(weft).toMatchObject({ nextTurn: [decision], nextMorning: [decision], stored: [decision] })
  })

  it('6: [SES-1] [SES-2] a worker finds what it wrote, or hears that it must wait; it did it twice', () => {
    const { naive, weft } = outcomes(6)
    const { action } = workload
    expect(naive).toEqual({ action, done: 2, found: [], refused: null })
    expect(weft).toEqual({ action, done: 1, found: [action], refused: 'WEFT_NOT_SYNCED' })
  })

  it('7: [OVL-2] [OVL-3] nothing is decided under a withdrawn rule, and two decisions were', () => {
    const { naive, weft } = outcomes(7)
    const versions = (each: { before: { rules: number }[]; after: { rules: number }[] }) =>
      [each.before, each.after].map(decisions => decisions.map(({ rules }) => rules))
    expect(versions(naive)).toEqual([[1], [1, 1]])
    expect(versions(weft)).toEqual([[1], [2, 2]])
    expect(weft).toMatchObject({ withdrawn: workload.constraint, refused: 'WEFT_OVERLAY_STALE' })
  })

  /** What turns the outcome of Weft's way into a corrupted one: each a fault by itself. */
  const PLANTED: readonly (readonly [number, string, (outcome: never) => object])[] = [
    [1, 'the constraint is not there at the first read', () => ({ resumedWith: [] })],
    [1, 'it is gone afterwards', () => ({ left: ['another'] })],
    [2, 'a tenant reads another’s', leaked],
    [2, 'a tenant does not read its own', ({ sameId }: Visits) => ({ sameId: sameId.map(unread) })],
    [2, 'everybody is refused', ({ sameKey }: Visits) => ({ sameId: sameKey })],
    [
      3,
      'one merge is in another order',
      ({ merges }: Merges) => ({ merges: [reversed(merges[0]!), merges[1]] }),
    ],
    [
      3,
      'one merge has lost an outcome',
      ({ merges }: Merges) => ({ merges: [halved(merges[0]!), merges[1]] }),
    ],
    [3, 'nothing was merged', () => ({ merges: [] })],
    [4, 'it acted on something else', () => ({ actedOn: ['old'] })],
    [4, 'it acted on both', ({ truth }: { truth: string }) => ({ actedOn: ['old', truth] })],
    [4, 'it never acted', () => ({ actedOn: [] })],
    [5, 'a draft is read', ({ drafts, decision }: Tiers) => ({ nextTurn: [drafts[0], decision] })],
    [5, 'a draft is stored', ({ drafts, decision }: Tiers) => ({ stored: [decision, drafts[0]] })],
    [5, 'the decision is gone at once', () => ({ nextTurn: [] })],
    [5, 'the decision is gone later', () => ({ nextMorning: [] })],
    [6, 'the record is not found', () => ({ found: [] })],
    [6, 'it is done again', () => ({ done: 2 })],
    [6, 'nobody ever answers', () => ({ found: null })],
    [
      7,
      'one decision is made under the old rules',
      () => ({
        after: [
          { text: 'a', rules: 2 },
          { text: 'b', rules: 1 },
        ],
      }),
    ],
    [7, 'nothing is decided any more', () => ({ after: [] })],
  ]

  it.each(PLANTED)('%i: its check sees that %s', (number, _, plant) => {
    const { check } = MISTAKES[number - 1]!
    const { weft } = outcomes(number)
    expect(check(weft).corrupted).toBe(false)
    const { corrupted, says } = check({ ...(weft as object), ...plant(weft) })
    expect(corrupted).toBe(true)
    expect(says).toMatch(/^\S.{19,}$/s)
  })
})

interface Visits {
  readonly sameId: readonly { readonly read: readonly object[] }[]
  readonly sameKey: readonly object[]
}
interface Merge {
  readonly order: readonly string[]
  readonly outcomes: readonly string[]
}
interface Merges {
  readonly merges: readonly Merge[]
}
interface Tiers {
  readonly drafts: readonly string[]
  readonly decision: string
}

function leaked({ sameId: [one, other] }: Visits): object {
  return { sameId: [one, { ...other!, read: [...other!.read, ...one!.read] }] }
}

const unread = (visit: object): object => ({ ...visit, read: [] })
const reversed = (merge: Merge): Merge => ({ ...merge, order: merge.order.toReversed() })
const halved = (merge: Merge): Merge => ({ ...merge, outcomes: merge.outcomes.slice(1) })

describe('the runner', () => {
  const only = async (mistake: Mistake) => {
    const { ok, mistakes } = await run([mistake], await sample(), SAMPLE_TRACES)
    return { ok, naive: mistakes[0]!.naive.verdict, weft: mistakes[0]!.weft.verdict }
  }

  it.each(
    MISTAKES.map(mistake => [mistake.title, mistake] as const),
  )('is not content when %s is not mended', async (_, mistake) => {
    const broken = { ...mistake, weft: mistake.naive }
    expect(await only(broken)).toEqual({ ok: false, naive: 'corrupted', weft: 'corrupted' })
  })

  it('is not content when the usual way does not fail', async () => {
    const mistake = MISTAKES[0]!
    const harmless = { ...mistake, naive: mistake.weft }
    expect(await only(harmless)).toEqual({ ok: false, naive: 'holds', weft: 'holds' })
  })

  it('is not content when a way throws: that is neither silent nor a promise that holds', async () => {
    const throws = () => Promise.reject(new Error('out of order'))
    const mistake = MISTAKES[0]!
    expect(await only({ ...mistake, naive: throws })).toMatchObject({ ok: false, naive: 'failed' })
    expect(await only({ ...mistake, weft: throws })).toMatchObject({ ok: false, weft: 'failed' })
  })

  it('is not content when a way does not end', async () => {
    const hangs = () => new Promise<never>(() => {})
    const report = await run([{ ...MISTAKES[0]!, weft: hangs }], await sample(), SAMPLE_TRACES, {
      patience_ms: 5,
    })
    expect(report.ok).toBe(false)
    expect(report.mistakes[0]!.weft).toMatchObject({ verdict: 'failed', says: 'it did not end within 5 ms' })
  })

  it('is not content with nothing', async () => {
    expect((await run([], await sample(), SAMPLE_TRACES)).ok).toBe(false)
  })

  it('shows all seven on runs of whatever shape', async () => {
    const odd = [
      { workflow: 'w', branch: 'again', messages: [{ role: 'system', content: '  ' }, strange(), answer()] },
      { workflow: 'v', branch: 'again', messages: [{ role: 'tool', tool_call_id: 7, tool_calls: {} }] },
    ]
    const file = await written('odd.jsonl', odd.map(each => JSON.stringify(each)).join('\n'))
    const report = await run(MISTAKES, workloadOf(await readTraces(file), file), file)
    expect(report.mistakes.filter(({ ok }) => !ok)).toEqual([])
  })
})

/** Content in parts, half a surrogate pair, control characters, calls that are none. */
function strange(): object {
  const content = [{ type: 'text', text: 'hé\u0000\u001b[31m \ud83d' }, 5, null]
  const called = { id: 'x', function: { name: 'a b:c/☃', arguments: { deep: [1] } } }
  return { role: 'assistant', content, tool_calls: [null, 3, { function: null }, called] }
}

function answer(): object {
  return { role: 'tool', tool_call_id: 'x', content: { ok: true } }
}
