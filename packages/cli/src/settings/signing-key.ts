import { readFileSync } from 'node:fs'
import { reasonOf } from '@weft/core'
import type { TokenKey } from '@weft/peer'
import { usage } from '../base/failure.js'
import { ORIGINS, type Settings } from './resolve-settings.js'

const KEY_SETTINGS = ['secret', 'secretFile', 'publicKey'] as const
const CURE = 'make one with: openssl rand -hex 32 > weft.secret, and pass --secret-file weft.secret'

/**
 * The key for tokens. It can be said in three ways; the one from the strongest source counts, and two from one source
 * contradict each other.
 * @throws WEFT_USAGE
 */
export function tokenKey(settings: Settings): TokenKey {
  const said = KEY_SETTINGS.filter(name => settings[name] !== undefined)
  const rank = (name: (typeof KEY_SETTINGS)[number]): number => ORIGINS.indexOf(settings[name]!.origin)
  const best = Math.min(...said.map(rank))
  const [name, rival] = said.filter(each => rank(each) === best)
  if (name === undefined) throw usage('there is no key for tokens', CURE)
  const { value, from } = settings[name]!
  if (rival !== undefined)
    throw usage(`${from} and ${settings[rival]!.from} are both given`, 'leave one of them out')
  if (name === 'secret') return { kind: 'secret', secret: value }
  const text = readKey(value, from)
  return name === 'secretFile' ? { kind: 'secret', secret: text.trim() } : { kind: 'public', pem: text }
}

/** The secret that signs tokens. @throws WEFT_USAGE, also for a public key, which can only verify */
export function signingSecret(settings: Settings): string {
  const key = tokenKey(settings)
  if (key.kind === 'secret') return key.secret
  throw usage(
    'a public key verifies tokens and signs none',
    'pass --secret or --secret-file, or sign where the private key is',
  )
}

function readKey(path: string, from: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw usage(`${from}: ${path} cannot be read: ${reasonOf(error)}`, 'check the path and its rights')
  }
}
