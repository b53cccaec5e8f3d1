import { checkId, checkWorkflow } from '@weft/core'
import type { DeliveryStatus } from '@weft/peer'
import type { Command } from 'commander'
import { usage } from '../base/failure.js'
import { printable, table } from '../base/text.js'
import { withExamples, withJson, withPeer } from '../settings/options.js'
import type { Cli } from '../cli/cli.js'
import { ask } from '../peers/http-client.js'

interface WebhooksFlags {
  readonly resume?: string
  readonly workflow?: string
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('webhooks')
    .description(
      'The deliveries of your tenant to webhooks that are not well: those that are tried again, and those that have ' +
        'failed too often and are parked. With --resume: tries a parked one again. Needs a token with the scope admin.',
    )
    .option('--resume <name>', 'the webhook to try again')
    .option('--workflow <workflow>', 'with --resume: the workflow whose delivery is parked')
    .action(async ({ resume, workflow }: WebhooksFlags, self: Command) => {
      const settings = cli.settings(self)
      if ((resume === undefined) !== (workflow === undefined)) {
        throw usage('--resume and --workflow go together', 'name the webhook and the workflow')
      }
      if (resume !== undefined && workflow !== undefined) {
        const path = `/webhooks/${checkId('subscription', resume)}/${checkWorkflow(workflow)}/resume`
        await ask(cli, settings, 'POST', path)
      }
      const list = (await ask(cli, settings, 'GET', '/webhooks')) as readonly DeliveryStatus[]
      cli.output.result(list, format)
      if (list.length === 0) cli.output.note('all webhooks take what they are given')
    })
  withExamples(
    withJson(withPeer(command), 'print one JSON list'),
    ['weft webhooks', 'what is parked, since which position, and why'],
    ['weft webhooks --resume crm --workflow wf-42', 'try it again, from where it stopped'],
  )
}

function format(list: readonly DeliveryStatus[]): string[] {
  return table(
    list.map(({ state, webhook, workflow, position, failures, reason }) => [
      state,
      webhook,
      workflow,
      `at ${position}`,
      `${failures} ×`,
      printable(reason ?? ''),
    ]),
  )
}
