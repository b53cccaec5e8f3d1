import { resolve } from 'node:path'
import type { Command } from 'commander'
import { type Cli, required } from '../cli.js'
import { withExamples, withJson, withSettings } from '../options.js'
import { reportDrain, runPeer } from '../peer-run.js'
import { tokenKey } from '../signing-key.js'
import { readWebhooks } from '../webhook-file.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('serve')
    .description(
      'Run a durable peer. Prints its address when it is ready, and logs on stderr as JSON. SIGTERM or SIGINT drains: ' +
        'no new work, write what was taken, exit 0. A second signal exits at once.',
    )
    .action(async (_: unknown, self: Command) => {
      const settings = cli.settings(self)
      const data = resolve(cli.cwd, required(settings, 'data'))
      const webhooks = readWebhooks(cli, settings)
      const peer = await runPeer(cli, settings, data, {
        key: tokenKey(settings),
        ...(webhooks && { webhooks }),
      })
      const { url, port } = peer
      cli.output.result({ event: 'listening', url, port, data, pid: process.pid }, () => [url])
      reportDrain(cli, await peer.drained())
    })
  withSettings(
    command,
    'data',
    'port',
    'host',
    'secret',
    'secretFile',
    'publicKey',
    'audience',
    'webhooks',
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
    ['weft serve --data ./data --schemas ./schemas.mjs', 'what comes over HTTP is held against definitions'],
  )
}
