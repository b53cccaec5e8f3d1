import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { checkId } from '@weft/core'
import { signToken } from '@weft/peer'
import type { Command } from 'commander'
import { untilSignal } from '../base/signals.js'
import { stderrLogger } from '../base/stderr-logger.js'
import { temporaryDirectory } from '../base/temporary.js'
import { withExamples, withJson, withSettings } from '../settings/options.js'
import { type Cli, required } from '../cli/cli.js'
import { keyFileOf, openingWith } from '../cli/encryption.js'
import { reportDrain, runPeer } from '../peers/peer-run.js'

const TENANT = 'dev'
const LIFETIME_S = 24 * 3_600

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('dev')
    .description(
      'Run a peer to try things on, and print its address and a token, ready to paste. What it holds is thrown away at ' +
        'the end, unless --data says where to keep it.',
    )
    .action(async (_: unknown, self: Command) => {
      const settings = cli.settings(self)
      const tenant = checkId('tenant', settings.tenant?.value ?? TENANT)
      // A directory that happens to be in the environment is not one to play in.
      const kept = settings.data?.origin === 'flag' ? resolve(cli.cwd, settings.data.value) : undefined
      const data = kept ?? throwAwayDirectory()
      const secret = randomBytes(32).toString('hex')
      const level = settings.logLevel?.origin === 'default' ? 'warn' : required(settings, 'logLevel')
      const options = { key: { kind: 'secret', secret } } as const
      const opening = await openingWith(kept && keyFileOf(cli, settings))
      const signal = untilSignal('SIGHUP')
      const peer = await runPeer(cli, settings, data, opening, options, signal, stderrLogger(level))
      const audience = required(settings, 'audience')
      const token = await signToken(secret, {
        tenant,
        scopes: ['read', 'write', 'admin'],
        lifetime: LIFETIME_S,
        audience,
      })
      const { url, port } = peer
      cli.output.result({ event: 'listening', url, port, tenant, token, data, pid: process.pid }, () => [
        `export WEFT_URL=${url}`,
        `export WEFT_TOKEN=${token}`,
      ])
      cli.output.note(`paste these into other shells (tenant ${tenant}, good for a day); end with Ctrl-C`)
      reportDrain(cli, await peer.drained())
    })
  withSettings(
    command,
    'tenant',
    'port',
    'host',
    'data',
    'encryptionKeyFile',
    'audience',
    'schemas',
    'logLevel',
  )
  withExamples(
    withJson(command, 'print JSON objects, one a line: listening, then drained'),
    ['weft dev', 'a peer on ws://127.0.0.1:7600 and a token for tenant dev'],
    ['weft dev --port 0 --tenant acme --json', 'on a free port, for a program'],
  )
}

/** Removed when the process ends, however it ends short of SIGKILL. */
function throwAwayDirectory(): string {
  const directory = temporaryDirectory('weft-dev-')
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  return directory
}
