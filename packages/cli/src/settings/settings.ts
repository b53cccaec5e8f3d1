import { DEFAULT_AUDIENCE, DEFAULT_PORT } from '@weft/peer/parts'
import { checkPeerUrl } from '@weft/replica/peer-url'
import { parseWait } from '../base/duration.js'
import { usage } from '../base/failure.js'

/** Something that a flag, the environment or a config file can say. */
export interface Setting<T> {
  /** As commander reads it. */
  readonly flag: string
  readonly env: string
  readonly help: string
  /** @throws WEFT_USAGE */
  readonly parse: (text: string) => T
  readonly fallback?: T
  /** Never shown. */
  readonly secret?: boolean
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']
const text = (value: string): string => value

export function parsePort(value: string): number {
  const number = Number(value)
  if (/^\d{1,5}$/.test(value) && number <= 65_535) return number
  throw usage(`${JSON.stringify(value)} is not a port`, 'write a number from 0 (any free one) to 65535')
}

function url(value: string): string {
  checkPeerUrl(value)
  return value
}

function logLevel(value: string): string {
  if (LOG_LEVELS.includes(value)) return value
  throw usage(`${JSON.stringify(value)} is not a log level`, `use one of ${LOG_LEVELS.join(', ')}`)
}

function setting<T>(known: Setting<T>): Setting<T> {
  return known
}

/** Every setting by its name in a config file. Flags and environment variables are named after it. */
export const SETTINGS = {
  url: setting({
    flag: '--url <url>',
    env: 'WEFT_URL',
    help: 'address of a running peer',
    parse: url,
    fallback: `ws://127.0.0.1:${DEFAULT_PORT}`,
  }),
  token: setting({
    flag: '--token <jwt>',
    env: 'WEFT_TOKEN',
    help: 'token for the peer',
    parse: text,
    secret: true,
  }),
  timeout: setting({
    flag: '--timeout <duration>',
    env: 'WEFT_TIMEOUT',
    help: 'how long to wait for the peer',
    parse: parseWait,
    fallback: 10,
  }),
  data: setting({ flag: '--data <dir>', env: 'WEFT_DATA', help: 'data directory of the peer', parse: text }),
  encryptionKeyFile: setting({
    flag: '--encryption-key-file <file>',
    env: 'WEFT_ENCRYPTION_KEY_FILE',
    help: 'key file of a data directory that is encrypted (weft key new)',
    parse: text,
  }),
  host: setting({
    flag: '--host <host>',
    env: 'WEFT_HOST',
    help: 'address to listen on',
    parse: text,
    fallback: '127.0.0.1',
  }),
  port: setting({
    flag: '--port <port>',
    env: 'WEFT_PORT',
    help: 'port to listen on; 0 takes a free one',
    parse: parsePort,
    fallback: DEFAULT_PORT,
  }),
  secret: setting({
    flag: '--secret <text>',
    env: 'WEFT_SECRET',
    help: 'secret that signs tokens, 32 bytes or more; others can read a flag in the process list, so prefer a file',
    parse: text,
    secret: true,
  }),
  secretFile: setting({
    flag: '--secret-file <file>',
    env: 'WEFT_SECRET_FILE',
    help: 'file that holds the secret',
    parse: text,
  }),
  publicKey: setting({
    flag: '--public-key <file>',
    env: 'WEFT_PUBLIC_KEY',
    help: 'PEM file of an Ed25519 public key, for tokens that somebody else signs',
    parse: text,
  }),
  audience: setting({
    flag: '--audience <name>',
    env: 'WEFT_AUDIENCE',
    help: 'audience that tokens must name',
    parse: text,
    fallback: DEFAULT_AUDIENCE,
  }),
  webhooks: setting({
    flag: '--webhooks <file>',
    env: 'WEFT_WEBHOOKS',
    help: 'JSON file of the webhooks to deliver to: a list of {name, tenant, workflows, url, secret, filter}',
    parse: text,
  }),
  quotas: setting({
    flag: '--quotas <file>',
    env: 'WEFT_QUOTAS',
    help: 'JSON file of what tenants may store and write: {default, tenants: {<id>}}, each {bytes_max, contexts_max, changes_per_second_max}',
    parse: text,
  }),
  schemas: setting({
    flag: '--schemas <module>',
    env: 'WEFT_SCHEMAS',
    help: 'JavaScript module with the definitions that what comes over HTTP, or settles a conflict, is held against',
    parse: text,
  }),
  tenant: setting({ flag: '--tenant <id>', env: 'WEFT_TENANT', help: 'tenant of the token', parse: text }),
  logLevel: setting({
    flag: '--log-level <level>',
    env: 'WEFT_LOG_LEVEL',
    help: `how much to log on stderr: ${LOG_LEVELS.join(', ')}`,
    parse: logLevel,
    fallback: 'info',
  }),
}

export type SettingName = keyof typeof SETTINGS
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]
export type SettingValue<Name extends SettingName> = ReturnType<(typeof SETTINGS)[Name]['parse']>
/** Not a setting, for it says where settings are. */
export const CONFIG_ENV = 'WEFT_CONFIG'
