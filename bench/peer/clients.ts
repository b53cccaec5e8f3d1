import type { JsonObject } from '@weft/core'
import { signToken } from '@weft/peer'
import { type Context, connect, defineContext, type Replica } from '@weft/replica'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { Dice, type Message, message } from '../dice.js'
import { SECRET, TENANT } from './messages.js'

const TOKEN_SECONDS = 3_600
const VALUES = 256
const SEED = 20_250_103

/** Takes everything: what a schema library costs is not the peer's. */
const anyMessage: StandardSchemaV1<Message, Message> = {
  '~standard': { version: 1, vendor: 'bench', validate: value => ({ value: value as Message }) },
}

const entrySchemas = { message: anyMessage }
const Bench = defineContext({ name: 'bench', version: 1, entries: entrySchemas })

export interface Client {
  readonly replica: Replica
  readonly context: Context<JsonObject, typeof entrySchemas>
}

/** A replica with a connection of its own, on one context. */
export async function openClient(url: string, workflow: string): Promise<Client> {
  const token = await signToken(SECRET, {
    tenant: TENANT,
    scopes: ['read', 'write'],
    lifetime: TOKEN_SECONDS,
  })
  const replica = await connect({ url, token, client: 'bench' })
  const context = await replica.open(Bench, { workflow, agent: 'writer' })
  return { replica, context }
}

/** Entries of 300 bytes, made before any clock runs. */
export function entries(): readonly Message[] {
  const dice = new Dice(SEED)
  return Array.from({ length: VALUES }, () => message(dice))
}
