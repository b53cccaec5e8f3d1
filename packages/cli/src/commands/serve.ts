import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { parseWait } from '../base/duration.js'
import { untilSignal } from '../base/signals.js'
import { stderrLogger } from '../base/stderr-logger.js'
import { withExamples, withJson, withSettings } from '../settings/options.js'
import { tokenKey } from '../settings/signing-key.js'
import { type Cli, required } from '../cli/cli.js'
import { keyFileOf, openingWith } from '../cli/encryption.js'
import { readQuotas } from '../cli/quota-file.js'
import { readWebhooks } from '../cli/webhook-file.js'
import { checkAtStart } from '../stores/start-check.js'
import { CHECKS, type CheckDepth } from '../stores/store-check.js'

interface ServeFlags {
  readonly verify: CheckDepth | 'none'
  /** Seconds. */
  readonly drain?: number
}

const MS_PER_S = 1_000

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('serve')
    .description(
      'Run a durable peer. First a process of its own checks the store, for some damage makes LevelDB end whoever reads ' +
        'it: a store that has lost something is not served (exit code 4), of others all contexts are but the damaged. ' +
        'Prints its address when it is ready, and logs on stderr as JSON. SIGTERM or SIGINT drains: no new work, write ' +
        'what was taken, exit 0. A disk that does not answer is left after --drain, exit 130. A second signal exits at once.',
    )
    .addOption(
      new Option(
        '--verify <how>',
        'check the store first: every seal, every checksum of its files, every change',
      )
        .choices([...CHECKS, 'none'])
        .default('files'),
    )
    .option('--drain <duration>', 'how long a drain waits for the disk (default 15s)', parseWait)
    .action(async ({ verify, drain }: ServeFlags, self: Command) => {
      const settings = cli.settings(self)
      const data = resolve(cli.cwd, required(settings, 'data'))
      const webhooks = readWebhooks(cli, settings)
      const limits = {
        ...readQuotas(cli, settings),
        ...(drain !== undefined && { drain_write_ms: drain * MS_PER_S }),
      }
      const options = { key: tokenKey(settings), limits, ...(webhooks && { webhooks }) }
      const logger = stderrLogger(required(settings, 'logLevel'))
      const keyFile = keyFileOf(cli, settings)
      const opening = await openingWith(keyFile)
      const signal = untilSignal()
      const store = { directory: data, keyFile }
      // What a peer is made of is loaded while the other process checks.
      const [{ reportDrain, runPeer }] = await Promise.all([
        import('../peers/peer-run.js'),
        verify === 'none' ? undefined : checkAtStart(cli, store, verify, logger, signal),
      ])
      if (signal.aborted) {
        reportDrain(cli, { unacked: 0 })
        return
      }
      const peer = await runPeer(cli, settings, data, opening, options, signal, logger)
      const { url, port } = peer
      cli.output.result({ event: 'listening', url, port, data, pid: process.pid }, () => [url])
      reportDrain(cli, await peer.drained())
    })
  withSettings(
    command,
    'data',
    'encryptionKeyFile',
    'port',
    'host',
    'secret',
    'secretFile',
    'publicKey',
    'audience',
    'webhooks',
    'quotas',
    'schemas',
    'logLevel',
  )
  withExamples(
    withJson(command, 'print JSON objects, one a line: listening, then drained'),
    ['openssl rand -hex 32 > weft.secret', 'a secret that peer and `weft token` share'],
    [
      'weft serve --data ./data --secret-file weft.secret',
      'a peer on ws://127.0.0.1:7600; its HTTP API: http://127.0.0.1:7600/v1/openapi.json',
    ],
    ['weft serve --data ./data --verify full', 'after reading every change of every context'],
    ['weft serve --data ./data --quotas quotas.json', 'each tenant stores and writes so much and no more'],
    [
      'weft serve --data ./data --encryption-key-file weft.keys',
      'what it holds lies encrypted, each tenant under a key of its own',
    ],
    ['weft serve --data ./data --schemas ./schemas.mjs', 'what comes over HTTP is held against definitions'],
  )
}
