import { accessSync, constants, existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isWeftError, reasonOf } from '@weft/core'
import type { TenantStanding } from '@weft/peer'
import { connect } from '@weft/replica'
import { holdsStore } from '@weft/store-level'
import { decodeJwt } from 'jose'
import { formatSeconds } from '../base/duration.js'
import { nearest } from '../base/nearest.js'
import { CONFIG_ENV, SETTING_NAMES, SETTINGS } from '../settings/settings.js'
import { type DataDirectory, openingWith } from '../cli/encryption.js'
import { httpAt } from '../peers/http-client.js'
import { reach } from '../peers/peer-client.js'
import { checkInProcess } from './store-check-process.js'

export interface Finding {
  readonly check: string
  readonly status: 'ok' | 'problem' | 'skipped'
  readonly detail: string
  readonly cure?: string
}

const SKEW_S_MAX = 5
/** The share of a quota up to which all is well. */
const ROOM = 0.9
const NOT_FOR: ReadonlySet<string> = new Set(['WEFT_SCOPE', 'WEFT_WORKFLOW_FORBIDDEN'])
const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
const NODE_MIN = [20, 19] as const

export function ok(check: string, detail: string): Finding {
  return { check, status: 'ok', detail }
}

export function skipped(check: string, detail: string, cure: string): Finding {
  return { check, status: 'skipped', detail, cure }
}

export function problem(check: string, thrown: unknown, cure?: string): Finding {
  const advice = cure ?? (isWeftError(thrown) ? thrown.cure : 'see the message')
  return {
    check,
    status: 'problem',
    detail: typeof thrown === 'string' ? thrown : reasonOf(thrown),
    cure: advice,
  }
}

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const enough = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])
  if (enough) return ok('node', version)
  return problem('node', `Node ${version} is too old`, `install Node ${NODE_MIN.join('.')} or later`)
}

/** A variable that looks like ours and is none does nothing, quietly. */
export function checkEnvironment(env: NodeJS.ProcessEnv): Finding[] {
  const known = [CONFIG_ENV, ...SETTING_NAMES.map(name => SETTINGS[name].env)]
  return Object.keys(env)
    .filter(name => name.startsWith('WEFT_') && !known.includes(name))
    .map(name => {
      const meant = nearest(name, known)
      return problem(
        'environment',
        `${name} is no variable of weft`,
        meant ? `did you mean ${meant}?` : `known are ${known.join(', ')}`,
      )
    })
}

/** Whether a peer could use the directory now. A store that is there is looked at, one that is not is not made. */
export async function checkData(data: DataDirectory): Promise<Finding> {
  const { directory } = data
  try {
    // Also where nothing is yet: a peer could not begin with a key file that cannot be read.
    await openingWith(data.keyFile)
    if (await holdsStore(directory)) {
      const { unusable } = await checkInProcess(data, 'quick', () => {})
      if (unusable) throw unusable
      return ok('data', `${directory} holds a store, and no other process has it open`)
    }
    let nearestThere = resolve(directory)
    while (!existsSync(nearestThere)) nearestThere = dirname(nearestThere)
    accessSync(nearestThere, constants.W_OK | constants.X_OK)
    return ok('data', `${directory} can be made a store`)
  } catch (error) {
    return problem(
      'data',
      error,
      isWeftError(error) ? undefined : `make ${directory} writable, or choose another`,
    )
  }
}

export async function checkReachable(url: string, timeout_ms: number): Promise<Finding> {
  try {
    await reach(url, timeout_ms)
    return ok('peer', `something listens at ${url}`)
  } catch (error) {
    return problem('peer', error)
  }
}

/** Asks /readyz, and reads the peer's clock from the answer. */
export async function checkReady(url: string, timeout_ms: number, now: () => number): Promise<Finding[]> {
  const address = httpAt(url, '/readyz')
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(timeout_ms) })
    const text = (await response.text()).trim().slice(0, 200)
    const ready = response.ok
      ? ok('ready', `${address.href} says: ${text}`)
      : problem(
          'ready',
          `${address.href} says ${response.status}: ${text}`,
          'wait until it has its store open, and see its log',
        )
    return [ready, checkClock(response.headers.get('date'), now())]
  } catch (error) {
    return [
      problem(
        'ready',
        `${address.href}: ${reasonOf(error)}`,
        'check that a weft peer listens there, and nothing else',
      ),
    ]
  }
}

function checkClock(date: string | null, now_ms: number): Finding {
  const theirs_ms = Date.parse(date ?? '')
  if (Number.isNaN(theirs_ms))
    return skipped('clock', 'the peer does not tell its time', 'check its clock by hand')
  const skew_s = Math.abs(theirs_ms - now_ms) / 1_000
  if (skew_s <= SKEW_S_MAX) return ok('clock', `within ${SKEW_S_MAX} s of the peer's`)
  const way = theirs_ms > now_ms ? 'behind' : 'ahead of'
  return problem(
    'clock',
    `this clock is ${formatSeconds(skew_s)} ${way} the peer's`,
    'set both by NTP: tokens expire by the clock',
  )
}

/** What the token says of itself; whether it is genuine only the peer can tell. */
export function checkToken(token: string, now_ms: number): Finding {
  try {
    const { tenant, scope, workflows = '*', exp, aud } = decodeJwt(token)
    const says = `tenant ${tenant}, scope "${scope}", workflows ${workflows}, audience ${aud}`
    if (exp === undefined)
      return problem(
        'token',
        `${says}: it never expires`,
        'no peer takes such a token: make one with `weft token`',
      )
    const left_s = exp - now_ms / 1_000
    if (left_s > 0) return ok('token', `${says}, good for ${formatSeconds(left_s)}`)
    return problem(
      'token',
      `${says}: it expired ${formatSeconds(left_s)} ago`,
      'make another with `weft token`',
    )
  } catch (error) {
    return problem(
      'token',
      `it is no JWT: ${reasonOf(error)}`,
      'pass what `weft token` or `weft dev` printed, whole',
    )
  }
}

export async function checkAccepted(url: string, token: string, timeout_ms: number): Promise<Finding> {
  try {
    const replica = await connect({ url, token, timeout_ms, client: 'weft-doctor' })
    const { tenant, scopes } = replica
    await replica.close({ discard: true })
    return ok('access', `the peer lets you in as tenant ${tenant}, to ${scopes.join(', ')}`)
  } catch (error) {
    return problem('access', error)
  }
}

/** Whether the tenant has room, which who administers it may ask. @param ask what the peer says of it */
export async function checkQuota(ask: () => Promise<unknown>): Promise<Finding> {
  try {
    const { bytes, contexts, quota } = (await ask()) as TenantStanding
    const stored = `${formatBytes(bytes)} of ${formatBytes(quota.bytes_max)}`
    const detail = `the tenant stores ${stored}, in ${contexts} of ${quota.contexts_max} contexts`
    if (bytes < ROOM * quota.bytes_max && contexts < ROOM * quota.contexts_max) return ok('quota', detail)
    return problem(
      'quota',
      detail,
      'complete what is over and `weft retain`, or raise it: weft serve --quotas',
    )
  } catch (error) {
    return isWeftError(error) && NOT_FOR.has(error.code)
      ? skipped(
          'quota',
          'what the tenant stores is for its admins to ask',
          'pass a token of scope admin for all workflows',
        )
      : problem('quota', error)
  }
}

/** In the largest unit of which it has one, with one digit behind the point. */
function formatBytes(bytes: number): string {
  const power = bytes < 1_024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1)
  const amount = bytes / 1_024 ** power
  return `${amount.toLocaleString('en', { maximumFractionDigits: 1 })} ${UNITS[power]}`
}
