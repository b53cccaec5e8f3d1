import { resolve } from 'node:path'
import { DEFAULT_GATEWAY_PORT } from '@weft/gateway/parts'
import type { Command } from 'commander'
import { aborted, untilSignal } from '../base/signals.js'
import { stderrLogger } from '../base/stderr-logger.js'
import { withExamples, withJson, withSettings } from '../settings/options.js'
import { parsePort } from '../settings/settings.js'
import { type Cli, required } from '../cli/cli.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('gateway')
    .description(
      'Run the HTTP API of a peer as a process of its own, as many of them as are needed: `weft serve` has one built in. ' +
        'It keeps a replica for each token that comes. SIGTERM or SIGINT ends it when what runs is done.',
    )
    // That of the environment is the port of a peer.
    .option('--port <port>', `port to listen on; 0 takes a free one (else ${DEFAULT_GATEWAY_PORT})`)
    .action(async (flags: { readonly port?: string }, self: Command) => {
      const settings = cli.settings(self)
      const peer = required(settings, 'url')
      const logger = stderrLogger(required(settings, 'logLevel'))
      const schemas = settings.schemas && resolve(cli.cwd, settings.schemas.value)
      const port = flags.port === undefined ? DEFAULT_GATEWAY_PORT : parsePort(flags.port)
      const signal = untilSignal()
      // Not until there is something to run: what is refused is refused at once.
      const { startGateway } = await import('@weft/gateway')
      const gateway = await startGateway({
        url: peer,
        host: required(settings, 'host'),
        port,
        onDefect: error => logger.error({ err: error }, 'the gateway failed at a request'),
        ...(schemas !== undefined && { schemas }),
      })
      const { url } = gateway
      cli.output.result({ event: 'listening', url, port: gateway.port, peer, pid: process.pid }, () => [url])
      await aborted(signal)
      await gateway.close()
      if (cli.json) cli.output.data({ event: 'closed' })
      else cli.output.note('closed: all that was answered is durable')
    })
  withSettings(command, 'url', 'host', 'schemas', 'logLevel')
  withExamples(
    withJson(command, 'print JSON objects, one a line: listening, then closed'),
    ['weft gateway --url ws://127.0.0.1:7600 --port 7601', 'an API on http://127.0.0.1:7601/v1'],
    ['weft gateway --schemas ./schemas.mjs', 'one that holds what is written against definitions'],
  )
}
