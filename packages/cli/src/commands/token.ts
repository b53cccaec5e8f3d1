import { signToken, type TokenRequest, tokenVerifier } from '@weft/peer'
import type { Command } from 'commander'
import { type Cli, required } from '../cli.js'
import { parseDuration } from '../duration.js'
import { usage } from '../failure.js'
import { nearest } from '../nearest.js'
import { withExamples, withJson, withSettings } from '../options.js'
import { signingSecret } from '../signing-key.js'

type Scope = TokenRequest['scopes'][number]
const SCOPES: readonly Scope[] = ['read', 'write', 'admin']

interface TokenFlags {
  readonly scope: string
  readonly workflows: string
  readonly expires: string
  readonly subject?: string
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('token')
    .description(
      'Sign a token that lets its bearer into the contexts of one tenant. Use the secret of the peer.',
    )
    .option('--scope <words>', 'words of read, write, admin', 'read write')
    .option('--workflows <pattern>', 'which workflows; * stands for any characters', '*')
    .option('--expires <duration>', 'how long it is good for', '1h')
    .option('--subject <name>', 'whose token it is, for the log of the peer')
    .action(async (flags: TokenFlags, self: Command) => {
      const settings = cli.settings(self)
      const secret = signingSecret(settings)
      const audience = required(settings, 'audience')
      const token = await signToken(secret, {
        tenant: required(settings, 'tenant'),
        scopes: parseScopes(flags.scope),
        workflows: flags.workflows,
        lifetime: parseDuration(flags.expires),
        audience,
        ...(flags.subject !== undefined && { subject: flags.subject }),
      })
      // As the peer will read it, so that no token leaves here that none takes.
      const verify = await tokenVerifier({ kind: 'secret', secret }, audience)
      const { expires, ...grant } = await verify(token)
      cli.output.result(
        { token, ...grant, audience, expires: new Date(expires * 1_000).toISOString() },
        () => [token],
      )
    })
  withSettings(command, 'tenant', 'secret', 'secretFile', 'audience')
  withExamples(
    withJson(command),
    ["weft token --tenant acme --scope 'read write' --secret-file weft.secret", 'for workers, for one hour'],
    [
      "weft token --tenant acme --scope read --workflows 'wf-*' --expires 7d",
      'to read some workflows for a week',
    ],
  )
}

function parseScopes(text: string): Scope[] {
  return text
    .split(/[\s,]+/)
    .filter(word => word !== '')
    .map(word => {
      const scope = SCOPES.find(known => known === word)
      if (scope !== undefined) return scope
      const meant = nearest(word, SCOPES)
      throw usage(
        `--scope: there is no scope ${JSON.stringify(word)}`,
        meant ? `did you mean ${meant}?` : `use words of ${SCOPES.join(', ')}`,
      )
    })
}
