import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { checkId, reasonOf } from '@weft/core'
import { DEFAULT_LIMITS, type PeerLimits, type TenantQuota } from '@weft/peer/parts'
import { usage } from '../base/failure.js'
import type { Settings } from '../settings/resolve-settings.js'
import type { Cli } from './cli.js'

const NAMES = Object.keys(DEFAULT_LIMITS.quota) as (keyof TenantQuota)[]

/**
 * The quotas in the file that the settings name: `{ "default": { … }, "tenants": { "acme": { … } } }`, each with any of
 * the names of `TenantQuota`. A name that nobody knows is refused: it is a bound that would not be in force.
 * @throws WEFT_USAGE
 */
export function readQuotas(cli: Cli, settings: Settings): Pick<PeerLimits, 'quota' | 'quotas'> | undefined {
  const file = settings.quotas?.value
  if (file === undefined) return undefined
  try {
    const all = objectOf('the file', JSON.parse(readFileSync(resolve(cli.cwd, file), 'utf8')))
    const stray = Object.keys(all).find(name => name !== 'default' && name !== 'tenants')
    if (stray !== undefined) throw new Error(`${JSON.stringify(stray)} is neither "default" nor "tenants"`)
    const tenants = Object.entries(objectOf('"tenants"', all.tenants ?? {}))
    return {
      quota: { ...DEFAULT_LIMITS.quota, ...quotaIn('"default"', all.default ?? {}) },
      quotas: Object.fromEntries(
        tenants.map(([tenant, quota]) => [checkId('tenant', tenant), quotaIn(`"${tenant}"`, quota)]),
      ),
    }
  } catch (error) {
    throw usage(
      `the quotas in ${file} cannot be read: ${reasonOf(error)}`,
      `write { "default": { … }, "tenants": { "acme": { … } } }, each with any of ${NAMES.join(', ')}`,
    )
  }
}

function quotaIn(where: string, value: unknown): Partial<TenantQuota> {
  const quota = objectOf(where, value)
  for (const [name, bound] of Object.entries(quota)) {
    if (!NAMES.includes(name as keyof TenantQuota)) throw new Error(`${where} has an unknown ${name}`)
    if (!Number.isSafeInteger(bound) || (bound as number) < 1)
      throw new Error(`${name} of ${where} is not a whole number from 1`)
  }
  return quota as Partial<TenantQuota>
}

function objectOf(what: string, value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new Error(`${what} is not an object`)
}
