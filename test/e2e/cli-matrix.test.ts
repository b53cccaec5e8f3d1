import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { canariesIn } from '../support/canaries.ts'
import { weftHere } from '../support/cli-run.ts'
import { Research } from '../support/replica-contexts.ts'
import {
  expectedOf,
  INTRUDERS,
  type Intruder,
  type Row,
  type Scene,
  VICTIM,
  victimScene,
} from '../support/intruders.ts'

interface Verb {
  readonly args: (scene: Scene, folder: string) => readonly string[]
  readonly row: Row
}

const FORBIDDEN = 'WEFT_WORKFLOW_FORBIDDEN'
/** A reader of a context; who is of another tenant reads its own, which is empty. */
const READ: Row = ['0', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may']
const reads = (...args: string[]): Verb => ({ args: () => args, row: READ })

/** Verbs that ask a running peer, each as it would be used on what is the victim's. */
const VERBS: Readonly<Record<string, Verb>> = {
  log: reads('log', 'w'),
  tail: { args: () => ['tail', 'w'], row: READ },
  show: {
    args: ({ context }) => ['show', 'w', context.heads[0]!],
    row: ['WEFT_CHANGE_UNKNOWN', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'],
  },
  diff: {
    args: () => ['diff', 'w', '1', '2'],
    row: ['WEFT_POSITION_UNKNOWN', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'],
  },
  graph: reads('graph', 'w'),
  why: {
    args: ({ context }) => ['why', 'w', context.entries()[0]!.id],
    row: ['WEFT_CHANGE_UNKNOWN', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'],
  },
  blast: reads('blast', 'w', 'ext:doc/1'),
  conflicts: reads('conflicts', 'w'),
  resolve: {
    args: () => ['resolve', 'w', '/constraints', '--value', '{}'],
    row: ['WEFT_SCHEMA_UNKNOWN', FORBIDDEN, 'WEFT_CONFLICT_UNKNOWN', 'WEFT_SCOPE', 'may'],
  },
  audit: reads('audit', 'w'),
  abandon: {
    args: () => ['abandon', 'w', '--branch', 'leased'],
    row: ['WEFT_BRANCH_UNKNOWN', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
  },
  handoff: {
    args: () => ['handoff', 'w', '--agent', 'a'],
    row: ['WEFT_SCHEMA_UNKNOWN', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'],
  },
  prompt: {
    args: () => ['prompt', 'w', 'draft'],
    row: ['WEFT_CHANGE_UNKNOWN', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'],
  },
  webhooks: { args: () => ['webhooks'], row: ['0', 'may', 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'] },
  'overlay publish': {
    args: (_, folder) => ['overlay', 'publish', 'house', join(folder, 'rules.json')],
    row: ['0', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
  },
  'overlay list': { args: () => ['overlay', 'list'], row: ['0', 'may', 'may', 'WEFT_SCOPE', 'may'] },
  'overlay history': { args: () => ['overlay', 'history'], row: ['0', 'may', 'may', 'WEFT_SCOPE', 'may'] },
  backup: {
    args: (_, folder) => ['backup', '--to', join(folder, 'backup')],
    row: ['0', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
  },
  'retention set': {
    args: () => ['retention', 'set', '30d'],
    row: ['0', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
  },
  'retention show': { args: () => ['retention', 'show'], row: ['0', 'may', 'may', 'WEFT_SCOPE', 'may'] },
  retain: {
    args: () => ['retain', '--dry-run'],
    row: ['0', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
  },
  drop: {
    args: () => ['drop', '--tenant', VICTIM, '--yes'],
    row: ['WEFT_USAGE', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
  },
  verify: reads('verify', 'w'),
  export: { args: () => ['export', 'w'], row: ['WEFT_USAGE', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'] },
  import: {
    args: (_, folder) => ['import', join(folder, 'third.jsonl'), '--workflow', 'w'],
    row: ['0', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
  },
  erase: {
    args: ({ context }) => ['erase', 'w', context.entries()[0]!.id],
    row: ['WEFT_CHANGE_UNKNOWN', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
  },
  'token revoke': {
    args: () => ['token', 'revoke', '--subject', 'somebody'],
    row: ['0', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
  },
}

/** Verbs that are about no tenant's context at a running peer, or go on until they are told to end. */
const OTHERS = [
  ...[
    'demo',
    'replay',
    'serve',
    'dev',
    'gateway',
    'token',
    'restore',
    'repair',
    'doctor',
    'completion',
    'help',
  ],
  // As `open @overlays` is refused on the wire: it follows that.
  'overlay watch',
  // Of the keys beside a directory.
  ...['key new', 'key rewrap'],
]

/** The verbs that a text of help lists. */
function listed(help: string): string[] {
  const [, commands = ''] = help.split(/^Commands:$/m)
  return [...commands.matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name!)
}

test('[TEN-1] every verb of the command has its row', async () => {
  const verbs: string[] = []
  for (const verb of listed((await weftHere(['--help'])).stdout)) {
    const under = listed((await weftHere([verb, '--help'])).stdout).filter(name => name !== 'help')
    verbs.push(...(under.length === 0 ? [verb] : under.map(name => `${verb} ${name}`)))
  }
  const rows = [...Object.keys(VERBS), ...OTHERS]
  expect(verbs.filter(verb => !rows.includes(verb))).toEqual([])
})

/** Files of a third tenant, as somebody brings them along. */
async function filesOf(scene: Scene): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-matrix-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'rules.json'), '{"prompt":"mine"}')
  const token = await scene.peer.token({ tenant: 'third' })
  const replica = await scene.peer.replica({ token })
  const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
  await context.append('message', { text: 'third' }).committed
  const env = { WEFT_URL: scene.peer.url, WEFT_TOKEN: token }
  await weftHere(['export', 'w', '-o', join(folder, 'third.jsonl')], { env })
  return folder
}

const READERS: readonly Intruder[] = ['readOnly', 'noAdmin']

test.each(
  Object.entries(VERBS),
)('[TEN-1] [TEN-5] weft %s, by who has no business with it', async (_, verb) => {
  const scene = await victimScene()
  const folder = await filesOf(scene)
  const before = await scene.look()
  for (const intruder of INTRUDERS) {
    const expected = expectedOf(verb.row, intruder)
    if (expected === undefined) continue
    const env = { WEFT_URL: scene.peer.url, WEFT_TOKEN: scene.tokens[intruder] }
    const { code, stdout, stderr } = await weftHere(verb.args(scene, folder), { env })
    const what = code === 0 ? '0' : /WEFT_[A-Z_]+/.exec(stderr + stdout)?.[0]
    expect([intruder, what]).toEqual([intruder, expected])
    if (!READERS.includes(intruder)) expect(canariesIn(stdout + stderr), intruder).toEqual([])
    expect(await scene.look(), intruder).toEqual(before)
  }
})
