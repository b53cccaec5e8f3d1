import { resolve } from 'node:path'
import type { Command } from 'commander'
import { EXIT } from '../base/failure.js'
import { plural } from '../base/text.js'
import { withExamples, withJson, withPeer, withSettings } from '../settings/options.js'
import { checkFree, noteLeft } from '../cli/aside.js'
import { type Cli, required } from '../cli/cli.js'
import { keyFileOf } from '../cli/encryption.js'
import { withOffers } from '../stores/repair-offers.js'
import { type RepairedContext, type RepairReport, repair, WHOLE_STORE } from '../stores/repair.js'
import { checkHoldsStore } from '../stores/store-check-process.js'

interface RepairFlags {
  readonly to: string
  readonly from: readonly string[]
  readonly acceptLoss: readonly string[]
  readonly dryRun?: boolean
}

type Report = RepairReport & { readonly directory: string; readonly dryRun: boolean }

const RANGES_MAX = 8

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('repair')
    .description(
      'Make a new store of a damaged one that no peer has open: all that is sound, each change at its position, and what ' +
        'is missing from exports, backups and peers that hold it at the same positions. Nothing is made up, and the ' +
        'damaged directory stays as it is. What cannot be filled stays in quarantine. A result that would lack something ' +
        'that was acknowledged is refused, unless --accept-loss names it. With a key file the new store is encrypted, whether ' +
        'the old one was or not. Exits with 1 when something stays in quarantine.',
    )
    .requiredOption('--to <dir>', 'the new directory')
    .option(
      '--from <source>',
      'an export (with --tenant), the directory of a backup, or ws://… of a peer (with --token); can be given again',
      collected,
      [],
    )
    .option(
      '--accept-loss <what>',
      `a context, as TENANT/WORKFLOW, to cut where its first change is missing, or serve though its head is lost; or ` +
        `${WHOLE_STORE}: what is missing without a trace; can be given again`,
      collected,
      [],
    )
    .option('--dry-run', 'say what would come of it, and leave nothing behind')
    .action(async ({ to, from, acceptLoss, dryRun = false }: RepairFlags, self: Command) => {
      const settings = cli.settings(self)
      const data = resolve(cli.cwd, required(settings, 'data'))
      const directory = resolve(cli.cwd, to)
      await checkHoldsStore(data)
      await checkFree(directory)
      await noteLeft(cli, directory)
      const onTrouble = (text: string): void => cli.output.note(`cannot be used: ${text}`)
      const report = await withOffers(cli, settings, from, onTrouble, sources =>
        repair({
          ...{ data, to: directory, keyFile: keyFileOf(cli, settings), sources, dryRun },
          accepted: new Set(acceptLoss),
          onProgress: text => cli.output.progress(text),
        }),
      )
      if (report.contexts.some(({ outcome }) => outcome === 'quarantined')) cli.exitCode = EXIT.failed
      cli.output.result<Report>({ ...report, directory, dryRun }, format)
    })
  withSettings(withPeer(command), 'data', 'encryptionKeyFile', 'tenant')
  withExamples(
    withJson(command),
    ['weft repair --data ./data --to ./data-2 --dry-run', 'what is sound, and what is missing'],
    ['weft repair --data ./data --to ./data-2 --from ./backup-1', 'filled from a backup'],
    [
      'weft repair --data ./data --to ./data-2 --tenant acme --from wf-42.jsonl',
      'from an export of one of its workflows',
    ],
    ['weft repair --data ./data --to ./data-2 --from ws://10.0.0.2:7600', 'from a peer that holds a copy'],
    [
      'weft repair --data ./data --to ./data-2 --encryption-key-file weft.keys',
      'an encrypted store of a plain one, proven to hold the same',
    ],
    ['weft repair --data ./data --to ./data-2 --accept-loss acme/wf-42', 'cutting what cannot be filled'],
  )
}

function collected(value: string, before: readonly string[]): string[] {
  return [...before, value]
}

function format({ contexts, proven, directory, dryRun }: Report): string[] {
  const changed = contexts.filter(({ outcome }) => outcome !== 'sound')
  const sound = contexts.length - changed.length
  const where = dryRun ? 'nothing was written' : `in ${directory}`
  return [
    ...changed.flatMap(formatContext),
    `${plural(contexts.length, 'context')}, ${sound} of them sound, ${where}`,
    proven
      ? 'proven: these are all the contexts that the store had sealed, each as far as it went'
      : 'not proven: the store had sealed something else, so replicas may report a rollback and bring back the rest',
  ]
}

function formatContext(context: RepairedContext): string[] {
  const { outcome, changes, kept, filled, missing, reason, disagreeing } = context
  const lines = [
    `${outcome.toUpperCase().padEnd(12)}${context.context}: ${plural(changes, 'change')}, ${kept} kept` +
      (filled.length > 0 ? `, filled ${ranges(filled)}` : '') +
      (missing.length > 0 ? `, missing ${ranges(missing)}` : ''),
  ]
  if (reason !== undefined) lines.push(`            ${reason}`)
  for (const { name, position } of disagreeing)
    lines.push(`            ${name} has another history from position ${position} on`)
  return lines
}

/** `3, 7-9`: positions as people write them. */
function ranges(positions: readonly number[]): string {
  const found: [number, number][] = []
  for (const position of positions) {
    const last = found.at(-1)
    if (last && position === last[1] + 1) last[1] = position
    else found.push([position, position])
  }
  const told = found
    .slice(0, RANGES_MAX)
    .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
  return found.length > RANGES_MAX ? `${told.join(', ')}, …` : told.join(', ')
}
