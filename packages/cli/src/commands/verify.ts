import { resolve } from 'node:path'
import { isWeftError } from '@weft/core'
import type { Command } from 'commander'
import { EXIT, usage } from '../base/failure.js'
import { plural } from '../base/text.js'
import { withExamples, withJson, withPeer, withSettings } from '../settings/options.js'
import { LogCheck, type Verdict } from '../logs/log-check.js'
import { checkExport } from '../formats/export-reader.js'
import { type Cli, required } from '../cli/cli.js'
import { keyFileOf } from '../cli/encryption.js'
import { withContext } from '../peers/peer-client.js'
import { checkInProcess, type StoreReport } from '../stores/store-check-process.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('verify')
    .description(
      'Check every change: hashes, positions without a gap, causal order, authors, states. Of a data directory that no ' +
        'peer has open, of an export, or of a workflow at a running peer. Exits with 1 when anything is damaged.',
    )
    .argument('[workflow]', 'workflow at a running peer')
    .option('--file <export>', 'check an export')
    .action(async (workflow: string | undefined, flags: { file?: string }, self: Command) => {
      const verdicts = await verdictsOf(cli, self, workflow, flags.file)
      const ok = verdicts.every(verdict => verdict.ok)
      if (!ok) cli.exitCode = EXIT.failed
      cli.output.result({ ok, contexts: verdicts }, () => [
        ...verdicts.flatMap(formatVerdict),
        summary(verdicts),
      ])
    })
  withExamples(
    withJson(withSettings(withPeer(command), 'data', 'encryptionKeyFile')),
    ['weft verify --data ./data', 'all tenants and workflows of a peer that is down'],
    ['weft verify --file wf-42.jsonl', 'an export'],
    ['weft verify wf-42', 'what a running peer serves'],
  )
}

async function verdictsOf(
  cli: Cli,
  command: Command,
  workflow: string | undefined,
  file: string | undefined,
): Promise<Verdict[]> {
  const settings = cli.settings(command)
  const { output } = cli
  const data = settings.data
  const said = [workflow, file, data?.origin === 'flag' ? data.value : undefined].filter(
    each => each !== undefined,
  )
  if (said.length > 1)
    throw usage('a workflow, --file and --data are three things to check', 'name one of them')
  if (file !== undefined) {
    const { check } = await checkExport(file, at => output.progress(`checking ${file}: ${at}`))
    return [check.verdict()]
  }
  if (workflow !== undefined) {
    return withContext(cli, settings, workflow, async ({ context, replica }) => {
      const check = new LogCheck(workflow, replica.tenant)
      for (const { id, bytes } of context.changes()) {
        const position = context.positionOf(id)
        check.record({
          at: position === undefined ? `change ${id.slice(0, 12)}` : `position ${position}`,
          id,
          bytes,
          position,
        })
      }
      if (check.index.position !== check.set.size) {
        check.problem(`position ${check.index.position + 1}`, 'WEFT_STORE_CORRUPT', 'the log has a gap here')
      }
      return [check.verdict()]
    }).catch(error => [damageOf(workflow, error)])
  }
  const directory = resolve(cli.cwd, required(settings, 'data'))
  const store = { directory, keyFile: keyFileOf(cli, settings) }
  return verdictsIn(await checkInProcess(store, 'full', text => output.progress(text)))
}

/** What is wrong with a store as a whole comes last. */
function verdictsIn({ verdicts, files, contexts, unusable }: StoreReport): Verdict[] {
  const check = new LogCheck('(the store)')
  for (const { file, damage } of files.damaged)
    check.problem(file, 'WEFT_STORE_CORRUPT', `damaged: ${damage.join(', ')}`)
  if (unusable) {
    const read = `${plural(contexts, 'context')} could be read before that`
    check.problem('store', unusable.code, `${unusable.message}; ${read}`)
  }
  return check.problems.length > 0 ? [...verdicts, check.verdict()] : [...verdicts]
}

/** That a peer cannot serve a context because it is damaged is what was asked; all else keeps us from asking. */
function damageOf(workflow: string, error: unknown): Verdict {
  if (!isWeftError(error) || !/^WEFT_(STORE_CORRUPT|CHANGE_)/.test(error.code)) throw error
  const check = new LogCheck(workflow)
  const { position } = error.details
  check.thrown(typeof position === 'number' ? `position ${position}` : 'log', error)
  return check.verdict()
}

function formatVerdict({ tenant, workflow, changes, ok, problems, problemCount }: Verdict): string[] {
  const name = tenant === undefined ? workflow : `${tenant} ${workflow}`
  if (ok) return [`ok       ${name}: ${plural(changes, 'change')}`]
  const more = problemCount - problems.length
  return [
    `DAMAGED  ${name}: ${plural(changes, 'change')} sound, ${plural(problemCount, 'problem')}`,
    ...problems.map(({ at, code, message }) => `           ${at}: ${code} ${message}`),
    ...(more > 0 ? [`           and ${more} more`] : []),
  ]
}

function summary(verdicts: readonly Verdict[]): string {
  const damaged = verdicts.filter(({ ok }) => !ok).length
  const changes = verdicts.reduce((sum, verdict) => sum + verdict.changes, 0)
  const found = damaged === 0 ? 'nothing is damaged' : `${damaged} damaged`
  return `${plural(verdicts.length, 'context')}, ${plural(changes, 'change')}: ${found}`
}
