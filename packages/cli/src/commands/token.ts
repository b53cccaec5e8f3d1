import { signToken, type TokenRequest, tokenVerifier } from '@weft/peer'
import { REVOCATIONS_OVERLAY, type Revoked, revokeTokens } from '@weft/replica'
import type { Command } from 'commander'
import { decodeJwt } from 'jose'
import { parseDuration } from '../base/duration.js'
import { usage } from '../base/failure.js'
import { nearest } from '../base/nearest.js'
import { withExamples, withJson, withPeer, withSettings } from '../settings/options.js'
import { signingSecret } from '../settings/signing-key.js'
import { type Cli, required } from '../cli/cli.js'
import { withReplica } from '../peers/peer-client.js'

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
    // A token is made with a subject, and revoked by one.
    .enablePositionalOptions()
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
  registerRevoke(command, cli)
  withSettings(command, 'tenant', 'secret', 'secretFile', 'audience')
  withExamples(
    withJson(command),
    ["weft token --tenant acme --scope 'read write' --secret-file weft.secret", 'for workers, for one hour'],
    [
      "weft token --tenant acme --scope read --workflows 'wf-*' --expires 7d",
      'to read some workflows for a week',
    ],
    ['weft token revoke --subject worker-7', 'the tokens of one worker; its connections end at once'],
  )
}

interface RevokeFlags {
  readonly id?: string
  readonly subject?: string
  readonly all?: true
  readonly reason?: string
  readonly agent: string
}

function registerRevoke(token: Command, cli: Cli): void {
  const command = token
    .command('revoke')
    .description(
      'Revoke tokens of your tenant: what is connected by them is cut off, and they open nothing any more. Takes a ' +
        'token with the scope admin for all workflows.',
    )
    .option('--id <token>', 'this token, whole, or its id (the claim jti, which weft token --json prints)')
    .option('--subject <name>', 'those of a subject that were issued up to now')
    .option('--all', 'all that were issued up to now, the one that you use as well')
    .option('--reason <text>', 'why, for people')
    .option('--agent <id>', 'who revokes', 'weft-cli')
    .action(async (flags: RevokeFlags, self: Command) => {
      const revoked = revokedBy(flags)
      const { reason, agent } = flags
      const { version } = await withReplica(cli, cli.settings(self), ({ replica, signal, timeout_ms }) =>
        revokeTokens(replica, revoked, {
          ...{ agent, signal, timeout_ms },
          ...(reason !== undefined && { reason }),
        }),
      )
      const what =
        'all' in revoked ? 'all tokens' : 'subject' in revoked ? `tokens of ${revoked.subject}` : 'it'
      cli.output.result({ version, revoked }, () => [
        `${what} revoked; weft overlay history ${REVOCATIONS_OVERLAY.name} lists what was`,
      ])
    })
  withExamples(
    withJson(withPeer(command)),
    ['weft token revoke --id eyJhbGciOi… --reason "was logged"', 'one token that has leaked'],
    ['weft token revoke --subject worker-7', 'all that worker-7 has had so far'],
  )
}

/** @throws WEFT_USAGE */
function revokedBy({ id, subject, all }: RevokeFlags): Revoked {
  const named = [id, subject, all].filter(each => each !== undefined)
  if (named.length !== 1) throw usage('which tokens?', 'pass one of --id, --subject and --all')
  if (subject !== undefined) return { subject }
  if (id === undefined) return { all: true }
  return identityOf(id)
}

/** Of an id alone it is not known when it expires: then it is remembered as long as any could be good. */
function identityOf(text: string): Revoked {
  if (!text.includes('.')) return { token: text, expires: Number.MAX_SAFE_INTEGER }
  try {
    const { jti, exp } = decodeJwt(text)
    if (typeof jti === 'string' && typeof exp === 'number') return { token: jti, expires: exp }
  } catch {
    throw usage('--id is neither a token nor the id of one', 'pass all of the token, or its claim jti')
  }
  throw usage('the token has no id', 'revoke it by its --subject, or all')
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
