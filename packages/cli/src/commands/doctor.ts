import { resolve } from 'node:path'
import type { Command } from 'commander'
import { EXIT } from '../base/failure.js'
import { printable, table } from '../base/text.js'
import { withExamples, withJson, withPeer, withSettings } from '../settings/options.js'
import type { Settings } from '../settings/resolve-settings.js'
import { SETTING_NAMES, SETTINGS } from '../settings/settings.js'
import { type Cli, required } from '../cli/cli.js'
import { keyFileOf } from '../cli/encryption.js'
import { ask } from '../peers/http-client.js'
import {
  checkAccepted,
  checkData,
  checkEnvironment,
  checkNode,
  checkQuota,
  checkReachable,
  checkReady,
  checkToken,
  type Finding,
  ok,
  problem,
  skipped,
} from '../stores/doctor-checks.js'

interface InForce {
  readonly name: string
  readonly value: string
  readonly from: string
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('doctor')
    .description(
      'What settings are in force and where each came from, and whether all is well: Node, data directory, peer, token, ' +
        'clocks, quota. Exits with 1 when there is a problem.',
    )
    .action(async (_: unknown, self: Command) => {
      const findings: Finding[] = [checkNode(process.version), ...checkEnvironment(cli.env)]
      const settings = readSettings(cli, self, findings)
      if (settings !== undefined) await examine(cli, settings, findings)
      const inForce = settings === undefined ? [] : settingsInForce(settings)
      const healthy = findings.every(({ status }) => status !== 'problem')
      if (!healthy) cli.exitCode = EXIT.failed
      cli.output.result({ ok: healthy, settings: inForce, findings }, () => [
        ...table(inForce.map(({ name, value, from }) => [name, value, `(${from})`])),
        '',
        ...findings.flatMap(finding => format(cli, finding)),
      ])
    })
  withExamples(
    withJson(withSettings(withPeer(command), 'data', 'encryptionKeyFile')),
    ['weft doctor', 'with what the environment and weft.config.json say'],
    ['weft doctor --data ./data', 'a data directory too'],
  )
}

function readSettings(cli: Cli, command: Command, findings: Finding[]): Settings | undefined {
  try {
    const settings = cli.settings(command)
    findings.push(ok('config', 'every setting can be read'))
    return settings
  } catch (error) {
    findings.push(problem('config', error))
    return undefined
  }
}

async function examine(cli: Cli, settings: Settings, findings: Finding[]): Promise<void> {
  const { data, token } = settings
  const url = required(settings, 'url')
  const timeout_ms = required(settings, 'timeout') * 1_000
  findings.push(
    data === undefined
      ? skipped('data', 'no data directory is set', 'pass --data to check one')
      : await checkData({ directory: resolve(cli.cwd, data.value), keyFile: keyFileOf(cli, settings) }),
  )
  const reachable = await checkReachable(url, timeout_ms)
  findings.push(reachable)
  if (reachable.status === 'ok') findings.push(...(await checkReady(url, timeout_ms, Date.now)))
  if (token === undefined) {
    findings.push(skipped('token', 'no token is set', 'pass --token or set WEFT_TOKEN to check one'))
    return
  }
  findings.push(checkToken(token.value, Date.now()))
  if (reachable.status !== 'ok') return
  const accepted = await checkAccepted(url, token.value, timeout_ms)
  findings.push(accepted)
  if (accepted.status === 'ok') findings.push(await checkQuota(() => ask(cli, settings, 'GET', '/usage')))
}

function settingsInForce(settings: Settings): InForce[] {
  return SETTING_NAMES.flatMap(name => {
    const resolved = settings[name]
    if (resolved === undefined) return []
    const secret = 'secret' in SETTINGS[name] && SETTINGS[name].secret === true
    const value = secret
      ? `(${String(resolved.value).length} characters, not shown)`
      : printable(String(resolved.value))
    return [{ name, value, from: resolved.from }]
  })
}

function format({ output: { paint } }: Cli, { check, status, detail, cure }: Finding): string[] {
  const colour = { ok: 'green', problem: 'red', skipped: 'dim' } as const
  const line = `${paint(colour[status], status.padEnd(8))} ${check.padEnd(12)} ${printable(detail)}`
  return cure === undefined ? [line] : [line, `${' '.repeat(22)}cure: ${printable(cure)}`]
}
