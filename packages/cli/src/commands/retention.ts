import { RETENTION_OVERLAY, type RetentionRule } from '@weft/core'
import type { OverlayVersion } from '@weft/replica'
import type { Command } from 'commander'
import { parseDuration } from '../base/duration.js'
import { clip, formatTime } from '../base/text.js'
import { verbGroup, withExamples, withJson, withPeer } from '../settings/options.js'
import { formatRule } from '../formats/retention-format.js'
import type { Cli } from '../cli/cli.js'
import { withReplica } from '../peers/peer-client.js'

const FOR_EVER = 'forever'
const REASON_CHARS = 80

export function register(program: Command, cli: Cli): void {
  const retention = verbGroup(
    program,
    'retention',
    'How long your tenant keeps a workflow after its completion; weft retain goes by it.',
  )
  registerSet(retention, cli)
  registerShow(retention, cli)
  withExamples(
    retention,
    ['weft retention set 30d --reason "agreed with legal"', 'the rule from now on, for all workflows'],
    ['weft retention show', 'what the rule was, from when, by whom and why'],
  )
}

function registerSet(retention: Command, cli: Cli): void {
  const command = retention
    .command('set')
    .description(
      'Sets the rule; takes a token with the scope admin, for all workflows. Nothing is removed by it.',
    )
    .argument('<duration>', `how long to keep what is completed, or ${FOR_EVER}`)
    .option('--reason <text>', 'why, for people')
    .option('--agent <id>', 'who sets it', 'weft-cli')
    .action(async (keep: string, { reason, agent }: { reason?: string; agent: string }, self: Command) => {
      const rule: RetentionRule = { keep_ms: keep === FOR_EVER ? null : parseDuration(keep) * 1_000 }
      const { version } = await withReplica(cli, cli.settings(self), ({ replica, signal, timeout_ms }) =>
        replica.overlays.publish(RETENTION_OVERLAY, rule, {
          ...{ agent, signal, timeout_ms },
          ...(reason !== undefined && { reason }),
        }),
      )
      cli.output.result({ version, ...rule }, () => [`${formatRule(rule)} (version ${version})`])
    })
  withExamples(withJson(withPeer(command)), [
    'weft retention set 90d',
    'a quarter, for all that is completed',
  ])
}

function registerShow(retention: Command, cli: Cli): void {
  const command = retention
    .command('show')
    .description('Every rule that was set, one a line, the oldest first; the last one is in force.')
    .action(async (_: unknown, self: Command) => {
      const versions = await withReplica(cli, cli.settings(self), ({ replica, signal, timeout_ms }) =>
        replica.overlays.history(RETENTION_OVERLAY.name, { signal, timeout_ms }),
      )
      for (const version of versions) cli.output.result(version, each => [format(each)])
      if (versions.length === 0) cli.output.note('no rule was ever set: everything stays')
    })
  withExamples(withJson(withPeer(command), 'print one JSON object a line'), [
    'weft retention show --json',
    'the same, for a program',
  ])
}

function format({ version, value, time, agent, reason }: OverlayVersion): string {
  const why = reason === undefined ? '' : `  (${clip(reason, REASON_CHARS)})`
  return `${version}  ${formatRule(value as unknown as RetentionRule)}  ${formatTime(time)}  ${agent}${why}`
}
