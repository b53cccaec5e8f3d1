import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { reasonOf } from '@weft/core'
import type { WebhookConfig } from '@weft/peer'
import { usage } from '../base/failure.js'
import type { Settings } from '../settings/resolve-settings.js'
import type { Cli } from './cli.js'

/** The webhooks in the file that the settings name; the peer checks what they are. @throws WEFT_USAGE */
export function readWebhooks(cli: Cli, settings: Settings): readonly WebhookConfig[] | undefined {
  const file = settings.webhooks?.value
  if (file === undefined) return undefined
  try {
    return JSON.parse(readFileSync(resolve(cli.cwd, file), 'utf8')) as readonly WebhookConfig[]
  } catch (error) {
    // What a parser says may quote what it read, and there are secrets in it.
    const reason = error instanceof SyntaxError ? 'it is not JSON' : reasonOf(error)
    throw usage(`the webhooks in ${file} cannot be read: ${reason}`, 'check the file that --webhooks names')
  }
}
