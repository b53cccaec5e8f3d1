import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startGateway } from '@weft/gateway'
import { signToken, startPeer } from '@weft/peer'
import { openLevelStore } from '@weft/store-level'
import { Dice } from './dice.js'
import { mutated } from './mutate.js'

const SECRET = 'a secret of the fuzzer, long enough'
const AT_ONCE = 8
/** Feeds and long polls answer later, or never: what they were asked with was looked at by then. */
const PATIENCE_MS = 1_000
const TEXTS = [
  'w',
  'main',
  '',
  '..',
  '%00',
  '%2e%2e',
  '@overlays',
  'x'.repeat(300),
  '🙂',
  'state:/k0',
  '1',
  '-1',
  '1e99',
]
const KEYS = [
  'entries',
  'kind',
  'value',
  'state',
  'reads',
  'writes',
  'op',
  'path',
  'from',
  'text',
  'branch',
  'agent',
  'budget',
  'tokens',
  'kinds',
  'refs',
  'epoch',
  'to',
  'expect',
  '__proto__',
  'constructor',
]

export interface BodyReport {
  readonly bodies: number
  /** Answers by status; 0 counts what had none in time. */
  readonly statuses: Readonly<Record<number, number>>
}

/** Requests of all routes of the gateway, with whatever in paths, queries and bodies. @throws when it fails at one */
export async function fuzzBodies(count: number, seed: number): Promise<BodyReport> {
  const dice = new Dice(seed)
  const directory = await mkdtemp(join(tmpdir(), 'weft-fuzz-'))
  const peer = await startPeer({
    openStore: () => openLevelStore(directory),
    key: { kind: 'secret', secret: SECRET },
    port: 0,
  })
  const gateway = await startGateway({ port: 0, url: peer.url })
  const token = await signToken(SECRET, {
    tenant: 'acme',
    scopes: ['read', 'write', 'admin'],
    lifetime: 3_600,
  })
  const document = (await (await fetch(`${gateway.url}/v1/openapi.json`)).json()) as {
    paths: Record<string, object>
  }
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(method => ({ path, method: method.toUpperCase() })),
  )
  const statuses: Record<number, number> = {}
  for (let done = 0; done < count; done += AT_ONCE) {
    const requests = Array.from({ length: Math.min(AT_ONCE, count - done) }, () =>
      request(dice, dice.pick(routes)),
    )
    for (const status of await Promise.all(requests.map(each => ask(gateway.url, token, each)))) {
      statuses[status] = (statuses[status] ?? 0) + 1
    }
    const failed = Object.keys(statuses).find(
      status => Number(status) >= 500 && status !== '503' && status !== '504',
    )
    if (failed !== undefined)
      throw new Error(
        `a request from ${done} on is answered with ${failed}: ${JSON.stringify(requests.map(({ path, method }) => `${method} ${path}`))}`,
      )
  }
  const alive = await fetch(`${gateway.url}/v1/openapi.json`)
  if (alive.status !== 200) throw new Error(`the gateway is not what it was: ${alive.status}`)
  await gateway.close()
  await peer.close()
  await rm(directory, { recursive: true, force: true })
  return { bodies: count, statuses }
}

interface Asked {
  readonly method: string
  readonly path: string
  readonly body: Uint8Array | undefined
  readonly type: string
}

function request(dice: Dice, route: { readonly path: string; readonly method: string }): Asked {
  const path = route.path.replace(/\{[^}]*\}/g, () => dice.pick(dice.chance(3) ? TEXTS : ['w', 'main']))
  const query = dice.chance(2)
    ? ''
    : `?${dice.pick(['after', 'limit', 'budget', 'branch', 'wait_ms', 'kinds'])}=${dice.pick(TEXTS)}`
  const sound = new TextEncoder().encode(JSON.stringify(json(dice, 0)))
  const body = dice.chance(4)
    ? mutated(sound, dice)
    : dice.chance(20)
      ? new TextEncoder().encode('['.repeat(50_000))
      : sound
  const type = dice.chance(8)
    ? 'text/plain'
    : dice.chance(4)
      ? 'application/json-patch+json'
      : 'application/json'
  return { method: route.method, path: path + query, body: route.method === 'GET' ? undefined : body, type }
}

function json(dice: Dice, depth: number): unknown {
  switch (dice.roll(depth > 3 ? 4 : 7)) {
    case 0:
      return dice.pick([0, 1, -1, 1e300, 2 ** 53, 0.1])
    case 1:
      return dice.pick(TEXTS)
    case 2:
      return dice.pick([null, true, false])
    case 3:
      return dice.pick(['message', 'add', '/k0', '-', 'replace'])
    case 4:
      return Array.from({ length: dice.roll(4) }, () => json(dice, depth + 1))
    default:
      return Object.fromEntries(
        Array.from({ length: dice.roll(5) }, () => [dice.pick(KEYS), json(dice, depth + 1)]),
      )
  }
}

async function ask(url: string, token: string, { method, path, body, type }: Asked): Promise<number> {
  const ends = new AbortController()
  const late = setTimeout(() => ends.abort(), PATIENCE_MS)
  try {
    const headers = { authorization: `Bearer ${token}`, 'content-type': type }
    const answer = await fetch(url + path, { method, headers, signal: ends.signal, ...(body && { body }) })
    await answer.body?.cancel()
    return answer.status
  } catch (error) {
    if (ends.signal.aborted) return 0
    throw new Error(`${method} ${path} has no answer`, { cause: error })
  } finally {
    clearTimeout(late)
  }
}
