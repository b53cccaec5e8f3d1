import { ENFORCEMENTS, type Enforcement, type Position } from '@weft/core'
import type { OverlayVersion } from '@weft/replica'
import { type Command, Option } from 'commander'
import { usage } from '../base/failure.js'
import { verbGroup, withExamples, withJson, withPeer } from '../settings/options.js'
import { formatOverlay } from '../formats/overlay-format.js'
import { readOverlayValue } from '../formats/overlay-value.js'
import type { Cli } from '../cli/cli.js'
import { type OpenReplica, withReplica } from '../peers/peer-client.js'

interface PublishFlags {
  readonly enforce: Enforcement
  readonly barrier?: true
  readonly after?: string
  readonly reason?: string
  readonly agent: string
  readonly text?: true
}

export function register(program: Command, cli: Cli): void {
  const overlay = verbGroup(
    program,
    'overlay',
    "The tenant's overlays: versioned instructions that steps run under, pushed to every worker.",
  )
  registerPublish(overlay, cli)
  registerList(overlay, cli)
  registerHistory(overlay, cli)
  registerWatch(overlay, cli)
  withExamples(
    overlay,
    ['weft overlay publish house rules.json --barrier', 'no step begins or commits without it from then on'],
    ['weft overlay history house', 'what was in force, from when, by whom and why'],
  )
}

function registerPublish(overlay: Command, cli: Cli): void {
  const command = overlay
    .command('publish')
    .description('Publishes the next version of an overlay; takes a token with the scope admin.')
    .argument('<name>', 'overlay to publish')
    .argument('[file]', 'JSON, or a text, which becomes its prompt; - is JSON from stdin', '-')
    .addOption(
      new Option('--enforce <what>', 'steps under an older version: commit nothing, do not begin, or may')
        .choices(ENFORCEMENTS)
        .default('commit'),
    )
    .option('--barrier', 'return when no worker can begin, nor with commit commit, a step under an older one')
    .option('--after <version>', 'only if this version is still in force; 0 for none')
    .option('--reason <text>', 'why, for people')
    .option('--agent <id>', 'who publishes', 'weft-cli')
    .option('--text', 'what is read is a text, whatever its name')
    .action(async (name: string, file: string, flags: PublishFlags, self: Command) => {
      const after = flags.after === undefined ? undefined : countOf('--after', flags.after)
      const value = await readOverlayValue(file, process.stdin, flags.text ?? false)
      const { enforce, barrier = false, reason, agent } = flags
      const published = await connected(cli, self, ({ replica, signal, timeout_ms }) =>
        replica.overlays.publish(name, value, {
          ...{ enforce, barrier, agent, signal, timeout_ms },
          ...(reason !== undefined && { reason }),
          ...(after !== undefined && { after }),
        }),
      )
      cli.output.result(published, ({ version }) => [`${name}@${version} is in force`])
    })
  withExamples(
    withJson(withPeer(command)),
    ['weft overlay publish house rules.json --reason "new terms"', 'the next version, for steps that begin'],
    ['weft overlay publish house prompt.md --barrier', 'the same, and wait until everybody is under it'],
  )
}

function registerList(overlay: Command, cli: Cli): void {
  const command = overlay
    .command('list')
    .description('The overlays in force, one a line.')
    .action(async (_: unknown, self: Command) => {
      const versions = await connected(cli, self, ({ replica, ...wait }) => replica.overlays.list(wait))
      printAll(cli, versions, 'no overlay was ever published')
    })
  withExamples(withJson(withPeer(command), 'print one JSON object a line'), [
    'weft overlay list --json',
    'what is in force, for a program',
  ])
}

function registerHistory(overlay: Command, cli: Cli): void {
  const command = overlay
    .command('history')
    .description('Every version that was published, one a line, the oldest first.')
    .argument('[name]', 'of this overlay alone')
    .action(async (name: string | undefined, _: unknown, self: Command) => {
      const versions = await connected(cli, self, ({ replica, ...wait }) =>
        replica.overlays.history(name, wait),
      )
      printAll(cli, versions, 'no such overlay was ever published')
    })
  withExamples(withJson(withPeer(command), 'print one JSON object a line'), [
    'weft overlay history house',
    'what was in force, from when, by whom and why',
  ])
}

function registerWatch(overlay: Command, cli: Cli): void {
  const command = overlay
    .command('watch')
    .description('Prints each version as it is published, until it is interrupted.')
    .option('--after <position>', 'begin behind this position of their log, 0 for all of it')
    .action(async ({ after }: { after?: string }, self: Command) => {
      const from = after === undefined ? {} : { after: countOf('--after', after) as Position }
      await connected(cli, self, ({ replica, signal }) =>
        untilInterrupted(cli, signal, async ended => {
          for await (const version of replica.overlays.watch({ ...from, signal: ended })) print(cli, version)
        }),
      )
    })
  withExamples(withJson(withPeer(command), 'print one JSON object a line'), [
    'weft overlay watch --after 0 --json',
    'all that was published, and what comes',
  ])
}

function connected<T>(cli: Cli, command: Command, use: (open: OpenReplica) => Promise<T>): Promise<T> {
  return withReplica(cli, cli.settings(command), use)
}

/** Runs until a signal comes, of the process or that something is damaged, or nobody reads what is told. */
async function untilInterrupted(
  { output }: Cli,
  damaged: AbortSignal,
  run: (ended: AbortSignal) => Promise<void>,
): Promise<void> {
  const interrupted = new AbortController()
  const stop = (): void => interrupted.abort()
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    await run(AbortSignal.any([damaged, interrupted.signal, output.closed]))
    damaged.throwIfAborted()
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

function printAll(cli: Cli, versions: readonly OverlayVersion[], ifNone: string): void {
  for (const version of versions) print(cli, version)
  if (versions.length === 0) cli.output.note(ifNone)
}

function print(cli: Cli, version: OverlayVersion): void {
  cli.output.result(version, each => [formatOverlay(each)])
}

function countOf(flag: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw usage(`${flag} is ${JSON.stringify(text)}`, 'write a whole number, from 0')
}
